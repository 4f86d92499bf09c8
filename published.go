package parley

// Events that come from the customer's own services: memory, offering and system
// events, whose names all surfaces share, and custom ones. Their data is told as
// it was published.
const (
	MemoryCreated           EventType = "memory.created"
	MemoryUpdated           EventType = "memory.updated"
	MemoryDeleted           EventType = "memory.deleted"
	MemoryEmbeddingComplete EventType = "memory.embedding_complete"

	OfferingInstalled    EventType = "offering.installed"
	OfferingUninstalled  EventType = "offering.uninstalled"
	OfferingUpdated      EventType = "offering.updated"
	OfferingStatusChange EventType = "offering.status_change"

	SystemNotification EventType = "system.notification"
	SystemStatus       EventType = "system.status"
	SystemMaintenance  EventType = "system.maintenance"
)

// PublishedBody is the body of memory, offering, system and custom events.
type PublishedBody struct {
	// Data is a JSON object, as published.
	Data RawJSON `json:"data"`
	// ResourceID is `data.id` where that is a string, else empty (contracts.md
	// section 10, custom events and topics).
	ResourceID string `json:"resource_id,omitempty"`
}

func newPublished() Body { return new(PublishedBody) }

func publishedSpecs() []EventSpec {
	spec := func(t EventType, channel, source, resource, event, doc string) EventSpec {
		return EventSpec{t, Durable, ChannelScope, channel, TopicName{source, resource, event}, doc, newPublished}
	}
	return []EventSpec{
		spec(MemoryCreated, ChannelMemory, "memory", "item", "created", "a memory item was stored"),
		spec(MemoryUpdated, ChannelMemory, "memory", "item", "updated", "a memory item changed"),
		spec(MemoryDeleted, ChannelMemory, "memory", "item", "deleted", "a memory item was removed"),
		spec(MemoryEmbeddingComplete, ChannelMemory, "memory", "item", "embedding_complete", "a memory item's embedding is there"),
		spec(OfferingInstalled, ChannelOffering, "offerings", "offering", "installed", "an offering was installed"),
		spec(OfferingUninstalled, ChannelOffering, "offerings", "offering", "uninstalled", "an offering was removed"),
		spec(OfferingUpdated, ChannelOffering, "offerings", "offering", "updated", "an offering changed"),
		spec(OfferingStatusChange, ChannelOffering, "offerings", "offering", "status_change", "an offering's status changed"),
		spec(SystemNotification, ChannelSystem, "system", "system", "notification", "something the org should know"),
		spec(SystemStatus, ChannelSystem, "system", "system", "status", "the state of the system changed"),
		spec(SystemMaintenance, ChannelSystem, "system", "system", "maintenance", "maintenance is planned or under way"),
	}
}
