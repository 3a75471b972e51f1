"""Reads traces with the message classes of PyPI's package `perfetto`, which know nothing of us, and checks what must hold in
every trace: ids defined before they are used, times that do not go back, slices that balance on each track, arrows with two ends.
"""

import collections

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackDescriptor, TrackEvent

Slice = collections.namedtuple("Slice", "track name begin end depth")
Instant = collections.namedtuple("Instant", "track name ns flows ends")


class Track:
    def __init__(self, descriptor):
        self.uuid, self.parent = descriptor.uuid, descriptor.parent_uuid
        self.is_thread, self.is_process = descriptor.HasField("thread"), descriptor.HasField("process")
        self.is_counter = descriptor.HasField("counter")
        self.name = descriptor.thread.thread_name or descriptor.process.process_name or descriptor.name
        self.open, self.slices, self.instants, self.values = [], [], [], []


class Reader:
    def __init__(self, path):
        trace = Trace()
        with open(path, "rb") as file:
            self.size = len(data := file.read())
        trace.ParseFromString(data)
        self.tracks, self.names, self.events = {}, {}, 0
        self.flow_begins, self.flow_ends = {}, {}
        self.ns = None
        for packet in trace.packet:
            self.packet(packet)
        for track in self.tracks.values():
            assert not track.open, f"slices of track '{track.name}' never end: {track.open}"
        assert set(self.flow_ends) <= set(self.flow_begins), "an arrow comes from nowhere"

    def packet(self, packet):
        assert packet.trusted_packet_sequence_id == 1
        if self.ns is None:
            clocks = {clock.clock_id: clock for clock in packet.clock_snapshot.clocks}
            assert packet.sequence_flags & 1, "the first packet must clear the incremental state"
            assert packet.trace_packet_defaults.timestamp_clock_id in clocks
            assert clocks[packet.trace_packet_defaults.timestamp_clock_id].is_incremental
            self.ns = clocks[3].timestamp
            return
        if packet.HasField("track_descriptor"):
            descriptor = packet.track_descriptor
            assert descriptor.uuid not in self.tracks, "a track is described twice"
            assert not descriptor.parent_uuid or descriptor.parent_uuid in self.tracks
            self.tracks[descriptor.uuid] = Track(descriptor)
        for name in packet.interned_data.event_names:
            assert name.iid and name.iid not in self.names
            self.names[name.iid] = name.name
        if packet.HasField("track_event"):
            self.ns += packet.timestamp
            self.events += 1
            self.event(packet.track_event)

    def event(self, event):
        assert event.track_uuid in self.tracks, "an event is on a track that was not described before"
        track = self.tracks[event.track_uuid]
        if event.name_iid:
            assert event.name_iid in self.names, "a name is used before it is defined"
        name = self.names.get(event.name_iid)
        for flow in event.flow_ids:
            assert flow not in self.flow_begins, "two arrows have the same id"
            self.flow_begins[flow] = (track, self.ns, name)
        for flow in event.terminating_flow_ids:
            assert flow not in self.flow_ends, "an arrow ends twice"
            self.flow_ends[flow] = (track, self.ns, name)
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            assert name is not None
            track.open.append((name, self.ns))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            assert track.open, f"a slice ends on track '{track.name}' that never began"
            name, begin = track.open.pop()
            track.slices.append(Slice(track, name, begin, self.ns, len(track.open)))
        elif event.type == TrackEvent.TYPE_COUNTER:
            assert track.is_counter
            track.values.append((self.ns, event.double_counter_value))
        else:
            assert event.type == TrackEvent.TYPE_INSTANT and name is not None
            track.instants.append(Instant(track, name, self.ns, list(event.flow_ids), list(event.terminating_flow_ids)))

    def find(self, name):
        """The tracks of that name, in the order of their description."""
        return [track for track in self.tracks.values() if track.name == name]

    def threads(self):
        return [track for track in self.tracks.values() if track.is_thread]

    def arrows(self):
        """(track, ns, name) at both ends."""
        return [(begin, self.flow_ends[flow]) for flow, begin in self.flow_begins.items() if flow in self.flow_ends]


__all__ = ["Instant", "Reader", "Slice", "Track", "TrackDescriptor"]
