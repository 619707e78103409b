// The JSON documents of Firecracker's API, in both directions: as bodies of requests, and as the
// parts of a configuration file. Errors name the field at fault; those about an id or a field's
// name are good as long as the document is.
#pragma once

#include "base/result.hpp"
#include "monitor/api/json.hpp"
#include "monitor/api/request.hpp"
#include "monitor/config.hpp"

// Whether a body gives a thing as a whole or changes some of it.
enum class BodyKind : uint8_t { kWhole, kChange };

Result<MachineChange> parse_machine(const json_t* body, BodyKind kind);
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
