// Names of all metrics: for each struct of counters, what its members are called and where they
// lie. Constants; only this room's business.
#pragma once

#include <cstdint>
#include <span>

#include "base/counter.hpp"

// A member of such a struct, which is a Counter, a SharedCounter or a Gauge.
struct MetricField {
    const char* name;
    uint16_t offset;  // in the struct
    bool is_gauge;

    // Of `group`, a struct that this is a member of.
    uint64_t value(const void* group) const {
        const auto* const bytes = static_cast<const std::byte*>(group);
        return static_cast<const Metric*>(static_cast<const void*>(bytes + offset))->value();
    }
};

// One struct, or a part of one, that is an object of the metrics' lines, or the rest of one.
struct MetricPart {
    const char* group;
    std::span<const MetricField> fields;
    bool is_per_device = false;  // lines have an object GROUP_ID for each device, before the sum
    bool goes_on = false;        // in the object of the part before, which has the same group
};

// In the order in which they are written.
enum class MetricPartId : uint8_t {
    kApiServer,
    kBlock,
    kGetRequests,
    kI8042,
    kInterrupts,
    kLatencies,
    kLog,
    kLines,
    kNet,
    kPatchRequests,
    kPutRequests,
    kSeccomp,
    kSignals,
    kSerial,
    kConsole,
    kVcpu,
    kVmm,
    kCount
};

std::span<const MetricPart> metric_parts();
