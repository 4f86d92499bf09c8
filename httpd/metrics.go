package httpd

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the counters of the routes. Their labels are bounded by the route
// table: a path or method that is not in it is "other".
type metrics struct {
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	failedAuth prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_http_requests_total",
			Help: "HTTP requests by route, method and class of status.",
		}, []string{"route", "method", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "parley_http_request_seconds",
			Help:    "How long HTTP requests took, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25},
		}, []string{"route"}),
		failedAuth: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parley_http_failed_auth_total",
			Help: "HTTP requests refused because of their credential.",
		}),
	}
	reg.MustRegister(m.requests, m.seconds, m.failedAuth)
	return m
}

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	if route == "" {
		route, method = "other", "other"
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}
