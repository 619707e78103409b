// The JSON documents of Firecracker's API, in both directions: as bodies of requests, and as the
// parts of a configuration file. Errors name the field at fault; those about an id or a field's
// name are good as long as the document is.
#pragma once

#include "base/result.hpp"
#include "monitor/api/json.hpp"
#include "monitor/api/request.hpp"
#include "monitor/machine/config.hpp"

Result<MachineChange> parse_whole_machine(const JsonNode& body);
Result<MachineChange> parse_machine_change(const JsonNode& body);
Result<BootSource> parse_boot_source(const JsonNode& body);
Result<DriveConfig> parse_drive(const JsonNode& body);
Result<DriveChange> parse_drive_change(const JsonNode& body);
Result<NicConfig> parse_nic(const JsonNode& body);
Result<NicChange> parse_nic_change(const JsonNode& body);
Result<SerialConfig> parse_serial(const JsonNode& body);
Result<ApiAction> parse_action(const JsonNode& body);
Result<VmState> parse_vm_state(const JsonNode& body);
Result<LoggerConfig> parse_logger(const JsonNode& body);
Result<MetricsConfig> parse_metrics(const JsonNode& body);

// One of them, as a function that gives any request.
using ParseBody = Result<ApiRequest> (*)(const JsonNode& body);
template <auto kParse>
Result<ApiRequest> parse_as(const JsonNode& body) {
    auto parsed = kParse(body);
    if (!parsed.ok()) return parsed.error();
    return ApiRequest(std::move(parsed).value());
}

// The fields of each, into an object that was begun.
void write_machine(const Config& config, JsonWriter& out);
void write_boot_source(const Config& config, JsonWriter& out);
void write_drive(const DriveConfig& drive, JsonWriter& out);
void write_nic(const NicConfig& nic, JsonWriter& out);
void write_serial(const Config& config, JsonWriter& out);
void write_logger(const LoggerConfig& logger, JsonWriter& out);
void write_metrics(const MetricsConfig& metrics, JsonWriter& out);

// Applies what a PUT or PATCH says of the machine, the boot source or the serial line.
void apply(const MachineChange& change, Config& config);
void apply(const BootSource& source, Config& config);
void apply(const LimitsChange& change, RateLimiterConfig& limits);
