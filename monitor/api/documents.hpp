// The JSON documents of Firecracker's API, in both directions: as bodies of requests, and as the
// parts of a configuration file. Errors name the field at fault; those about an id or a field's
// name are good as long as the document is.
#pragma once

#include "base/result.hpp"
#include "monitor/api/json.hpp"
#include "monitor/api/request.hpp"
#include "monitor/config.hpp"

Result<MachineChange> parse_whole_machine(const json_t* body);
Result<MachineChange> parse_machine_change(const json_t* body);
Result<BootSource> parse_boot_source(const json_t* body);
Result<DriveConfig> parse_drive(const json_t* body);
Result<DriveChange> parse_drive_change(const json_t* body);
Result<NicConfig> parse_nic(const json_t* body);
Result<NicChange> parse_nic_change(const json_t* body);
Result<SerialConfig> parse_serial(const json_t* body);
Result<ApiAction> parse_action(const json_t* body);
Result<VmState> parse_vm_state(const json_t* body);
Result<LoggerConfig> parse_logger(const json_t* body);
Result<MetricsConfig> parse_metrics(const json_t* body);

// One of them, as a function that gives any request.
using ParseBody = Result<ApiRequest> (*)(const json_t* body);
template <auto kParse>
Result<ApiRequest> parse_as(const json_t* body) {
    auto parsed = kParse(body);
    if (!parsed.ok()) return parsed.error();
    return ApiRequest(std::move(parsed).value());
}

JsonValue machine_document(const Config& config);
JsonValue boot_source_document(const Config& config);
JsonValue drive_document(const DriveConfig& drive);
JsonValue nic_document(const NicConfig& nic);
JsonValue serial_document(const Config& config);
JsonValue logger_document(const LoggerConfig& logger);
JsonValue metrics_document(const MetricsConfig& metrics);

// Applies what a PUT or PATCH says of the machine, the boot source or the serial line.
void apply(const MachineChange& change, Config& config);
void apply(const BootSource& source, Config& config);
void apply(const LimitsChange& change, RateLimiterConfig& limits);
