package httpd

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the counters of the routes. Their labels are bounded by the route
// table: a path or method that is not in it is "other".
type metrics struct {
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	failedAuth prometheus.Counter
	other      *routeMetrics // of what is none of the routes
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
	m.other = m.route("other", "other")
	return m
}

// routeMetrics are the counters of one route and method. Each is looked up by its
// labels once, and is there from its first request on.
type routeMetrics struct {
	of           *metrics
	path, method string

	seconds atomic.Pointer[prometheus.Observer]
	classes [6]atomic.Pointer[prometheus.Counter] // by the first digit of the status
}

// route returns the counters of a route; GET counts HEAD too.
func (m *metrics) route(path, method string) *routeMetrics {
	return &routeMetrics{of: m, path: path, method: method}
}

func (r *routeMetrics) class(n int) prometheus.Counter {
	if c := r.classes[n].Load(); c != nil {
		return *c
	}
	c := r.of.requests.WithLabelValues(r.path, r.method, strconv.Itoa(n)+"xx")
	r.classes[n].Store(&c)
	return c
}

func (r *routeMetrics) took() prometheus.Observer {
	if o := r.seconds.Load(); o != nil {
		return *o
	}
	o := r.of.seconds.WithLabelValues(r.path)
	r.seconds.Store(&o)
	return o
}

// observe counts a request; of none of the routes where r is nil.
func (m *metrics) observe(r *routeMetrics, status int, took time.Duration) {
	if r == nil {
		r = m.other
	}
	class := status / 100
	if class >= len(r.classes) {
		class = 0
	}
	r.class(class).Inc()
	r.took().Observe(took.Seconds())
}
