#include "monitor/metrics/table.hpp"

#include <array>
#include <cstddef>
#include <type_traits>

#include "base/log.hpp"
#include "monitor/metrics/console_metrics.hpp"
#include "monitor/metrics/groups.hpp"
#include "monitor/metrics/i8042_metrics.hpp"
#include "monitor/metrics/serial_metrics.hpp"
#include "virtio/block_metrics.hpp"
#include "virtio/net_metrics.hpp"
#include "virtio/transport_metrics.hpp"

namespace {

// NOLINTBEGIN(cppcoreguidelines-macro-usage): a member's name as a string, too.
#define FIELD(group, name) FIELD_OF(group, name, name)
// A request's: the group's name is the prefix.
#define REQUEST(prefix, name) FIELD_OF(ApiRequestMetrics, prefix##name, name)
#define FIELD_OF(group, member, name)                                                    \
    MetricField {                                                                        \
#name, offsetof(group, member), std::is_same_v < decltype(group::member), Gauge> \
    }
// NOLINTEND(cppcoreguidelines-macro-usage)

constexpr std::array kApiServer = {
    FIELD(ApiServerMetrics, process_startup_time_us),
    FIELD(ApiServerMetrics, process_startup_time_cpu_us),
};
constexpr std::array kBlock = {
    FIELD(BlockMetrics, no_avail_buffer),
    FIELD(BlockMetrics, event_fails),
    FIELD(BlockMetrics, execute_fails),
    FIELD(BlockMetrics, invalid_reqs_count),
    FIELD(BlockMetrics, flush_count),
    FIELD(BlockMetrics, queue_event_count),
    FIELD(BlockMetrics, rate_limiter_event_count),
    FIELD(BlockMetrics, update_count),
    FIELD(BlockMetrics, read_bytes),
    FIELD(BlockMetrics, write_bytes),
    FIELD(BlockMetrics, read_count),
    FIELD(BlockMetrics, write_count),
    FIELD(BlockMetrics, rate_limiter_throttled_events),
    FIELD(BlockMetrics, io_engine_throttled_events),
};
constexpr std::array kGetRequests = {
    REQUEST(get_, instance_info_count),
    REQUEST(get_, machine_cfg_count),
    REQUEST(get_, vmm_version_count),
};
constexpr std::array kI8042 = {
    FIELD(I8042Metrics, missed_read_count), FIELD(I8042Metrics, missed_write_count),
    FIELD(I8042Metrics, read_count),        FIELD(I8042Metrics, reset_count),
    FIELD(I8042Metrics, write_count),
};
constexpr std::array kInterrupts = {
    FIELD(TransportMetrics, triggers),
    FIELD(TransportMetrics, config_updates),
};
constexpr std::array kLatencies = {
    FIELD(LatencyMetrics, full_create_snapshot),
    FIELD(LatencyMetrics, load_snapshot),
    FIELD(LatencyMetrics, pause_vm),
    FIELD(LatencyMetrics, resume_vm),
};
constexpr std::array kLog = {
    FIELD(LogMetrics, missed_log_count),
    FIELD(LogMetrics, rate_limited_log_count),
    FIELD(LogMetrics, over_budget_log_count),
};
constexpr std::array kLines = {
    FIELD(MetricsLineMetrics, missed_metrics_count),
    FIELD(MetricsLineMetrics, metrics_fails),
};
constexpr std::array kNet = {
    FIELD(NetMetrics, activate_fails),
    FIELD(NetMetrics, no_rx_avail_buffer),
    FIELD(NetMetrics, no_tx_avail_buffer),
    FIELD(NetMetrics, event_fails),
    FIELD(NetMetrics, rx_queue_event_count),
    FIELD(NetMetrics, rx_event_rate_limiter_count),
    FIELD(NetMetrics, rx_rate_limiter_throttled),
    FIELD(NetMetrics, rx_tap_event_count),
    FIELD(NetMetrics, rx_bytes_count),
    FIELD(NetMetrics, rx_packets_count),
    FIELD(NetMetrics, rx_fails),
    FIELD(NetMetrics, tap_read_fails),
    FIELD(NetMetrics, tap_write_fails),
    FIELD(NetMetrics, tx_bytes_count),
    FIELD(NetMetrics, tx_malformed_frames),
    FIELD(NetMetrics, tx_fails),
    FIELD(NetMetrics, tx_packets_count),
    FIELD(NetMetrics, tx_queue_event_count),
    FIELD(NetMetrics, tx_rate_limiter_event_count),
    FIELD(NetMetrics, tx_rate_limiter_throttled),
};
constexpr std::array kPatchRequests = {
    REQUEST(patch_, drive_count),       REQUEST(patch_, drive_fails),
    REQUEST(patch_, network_count),     REQUEST(patch_, network_fails),
    REQUEST(patch_, machine_cfg_count), REQUEST(patch_, machine_cfg_fails),
};
constexpr std::array kPutRequests = {
    REQUEST(put_, actions_count),     REQUEST(put_, actions_fails),
    REQUEST(put_, boot_source_count), REQUEST(put_, boot_source_fails),
    REQUEST(put_, drive_count),       REQUEST(put_, drive_fails),
    REQUEST(put_, logger_count),      REQUEST(put_, logger_fails),
    REQUEST(put_, machine_cfg_count), REQUEST(put_, machine_cfg_fails),
    REQUEST(put_, metrics_count),     REQUEST(put_, metrics_fails),
    REQUEST(put_, network_count),     REQUEST(put_, network_fails),
    REQUEST(put_, serial_count),      REQUEST(put_, serial_fails),
};
constexpr std::array kSeccomp = {
    FIELD(SeccompMetrics, num_faults),
};
constexpr std::array kSignals = {
    FIELD(SignalMetrics, sigbus),  FIELD(SignalMetrics, sighup),  FIELD(SignalMetrics, sigill),
    FIELD(SignalMetrics, sigsegv), FIELD(SignalMetrics, sigxcpu), FIELD(SignalMetrics, sigxfsz),
};
constexpr std::array kSerial = {
    FIELD(SerialMetrics, error_count),
    FIELD(SerialMetrics, missed_read_count),
    FIELD(SerialMetrics, read_count),
    FIELD(SerialMetrics, write_count),
};
constexpr std::array kConsole = {
    FIELD(ConsoleMetrics, flush_count),
    FIELD(ConsoleMetrics, missed_write_count),
    FIELD(ConsoleMetrics, rate_limiter_dropped_bytes),
};
constexpr std::array kVcpu = {
    FIELD(VcpuMetrics, exit_io_in),     FIELD(VcpuMetrics, exit_io_out),
    FIELD(VcpuMetrics, exit_mmio_read), FIELD(VcpuMetrics, exit_mmio_write),
    FIELD(VcpuMetrics, failures),
};
constexpr std::array kVmm = {
    FIELD(VmmMetrics, panic_count),
};

// `fields`, which are all that `Group` has: a struct has nothing but metrics, and its table names
// as many as there are.
template <typename Group, size_t kFields>
constexpr std::span<const MetricField> all_of(const std::array<MetricField, kFields>& fields) {
    static_assert(std::is_standard_layout_v<Group> && sizeof(Group) == kFields * sizeof(Metric));
    return fields;
}
static_assert(sizeof(ApiRequestMetrics) ==
              (kGetRequests.size() + kPatchRequests.size() + kPutRequests.size()) * sizeof(Metric));

constexpr std::array<MetricPart, static_cast<size_t>(MetricPartId::kCount)> kParts = {{
    {.group = "api_server", .fields = all_of<ApiServerMetrics>(kApiServer)},
    {.group = "block", .fields = all_of<BlockMetrics>(kBlock), .is_per_device = true},
    {.group = "get_api_requests", .fields = kGetRequests},
    {.group = "i8042", .fields = all_of<I8042Metrics>(kI8042)},
    {.group = "interrupts", .fields = all_of<TransportMetrics>(kInterrupts)},
    {.group = "latencies_us", .fields = all_of<LatencyMetrics>(kLatencies)},
    {.group = "logger", .fields = all_of<LogMetrics>(kLog)},
    {.group = "logger", .fields = all_of<MetricsLineMetrics>(kLines), .goes_on = true},
    {.group = "net", .fields = all_of<NetMetrics>(kNet), .is_per_device = true},
    {.group = "patch_api_requests", .fields = kPatchRequests},
    {.group = "put_api_requests", .fields = kPutRequests},
    {.group = "seccomp", .fields = all_of<SeccompMetrics>(kSeccomp)},
    {.group = "signals", .fields = all_of<SignalMetrics>(kSignals)},
    {.group = "uart", .fields = all_of<SerialMetrics>(kSerial)},
    {.group = "uart", .fields = all_of<ConsoleMetrics>(kConsole), .goes_on = true},
    {.group = "vcpu", .fields = all_of<VcpuMetrics>(kVcpu)},
    {.group = "vmm", .fields = all_of<VmmMetrics>(kVmm)},
}};

}  // namespace

std::span<const MetricPart> metric_parts() {
    return kParts;
}
