// All that is counted in this process, and its two forms: lines of JSON, as Firecracker writes
// them, and Prometheus's text. Owned by main.
//
// The numbers are raised where things happen, on any thread, each by the rule of its struct. What
// is done here, attaching and writing, is for one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/metrics/console_metrics.hpp"
#include "monitor/metrics/groups.hpp"
#include "monitor/metrics/i8042_metrics.hpp"
#include "monitor/metrics/serial_metrics.hpp"
#include "monitor/metrics/table.hpp"
#include "virtio/block_metrics.hpp"
#include "virtio/net_metrics.hpp"
#include "virtio/transport_metrics.hpp"

// A struct of counters that is somewhere in the process.
struct CountedGroup {
    MetricPartId part;
    std::string id;  // of a device
    const void* counters;
    std::vector<uint64_t> committed{};  // by field
    std::vector<uint64_t> seen{};       // in the last line

    // What the line says of a field.
    uint64_t told(size_t field) const {
        return seen[field] - (fields()[field].is_gauge ? 0 : committed[field]);
    }
    std::span<const MetricField> fields() const {
        return metric_parts()[static_cast<size_t>(part)].fields;
    }
};

class Metrics {
public:
    Metrics();

    ApiServerMetrics api_server;
    ApiRequestMetrics requests;
    LatencyMetrics latencies;
    MetricsLineMetrics lines;
    SeccompMetrics seccomp;
    SignalMetrics signals;
    VmmMetrics vmm;

    // What belongs to the machine. It outlives the last call of a function below.
    void attach(const VcpuMetrics& vcpu) { attach(MetricPartId::kVcpu, {}, &vcpu); }
    void attach(const I8042Metrics& i8042) { attach(MetricPartId::kI8042, {}, &i8042); }
    void attach(const SerialMetrics& serial) { attach(MetricPartId::kSerial, {}, &serial); }
    void attach(const ConsoleMetrics& console) { attach(MetricPartId::kConsole, {}, &console); }
    void attach(std::string_view id, const BlockMetrics& block) {
        attach(MetricPartId::kBlock, id, &block);
    }
    void attach(std::string_view id, const NetMetrics& net) {
        attach(MetricPartId::kNet, id, &net);
    }
    void attach(std::string_view id, const TransportMetrics& transport) {
        attach(MetricPartId::kInterrupts, id, &transport);
    }

    // Begins each line from now on: "" or fields, each with a comma behind it.
    void begin_lines_with(std::string fields) { line_beginning_ = std::move(fields); }
    // Adds a line: an object of objects. Counters are told as what they have gained since the last
    // line that was committed, gauges as they are.
    void append_line(std::string& out, uint64_t utc_ms);
    // The last line has been written.
    void commit_line();

    // Text form 0.0.4: totals, and devices apart by the label `id`.
    std::string prometheus() const;

private:
    void attach(MetricPartId part, std::string_view id, const void* counters);

    std::vector<CountedGroup> groups_;
    std::string line_beginning_;
};
