// What a client of the API can ask for, once it has been parsed: types and limits of its fields are
// checked, and nothing else. Firecracker's public OpenAPI 1.15 names routes and fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "monitor/api/connection.hpp"
#include "monitor/api/json.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/metrics/logger_config.hpp"

enum class Inquiry : uint8_t { kInstance, kVersion, kConfig, kMachine, kPrometheus };

// PUT gives all of them, and what is absent its default; PATCH leaves that as it is.
struct MachineChange {
    std::optional<uint32_t> vcpus{};
    std::optional<uint64_t> memory_mib{};
    std::optional<bool> smt{};
};

struct BootSource {
    std::string kernel_path;
    std::string initrd_path;  // empty: none
    std::string boot_args;
};

// A bucket that is absent stays as it is; one that limits nothing takes the limit away.
struct LimitsChange {
    std::optional<TokenBucketConfig> bandwidth{};
    std::optional<TokenBucketConfig> ops{};
};

struct DriveChange {
    std::string id;
    std::optional<std::string> path{};
    LimitsChange limits{};
};

struct NicChange {
    std::string id;
    LimitsChange receive{};
    LimitsChange transmit{};
};

struct SerialConfig {
    std::string output_path;  // empty: stdout
};

enum class ApiAction : uint8_t { kInstanceStart, kFlushMetrics, kSendCtrlAltDel };

enum class VmState : uint8_t { kPaused, kResumed };

using ApiRequest =
    std::variant<Inquiry, MachineChange, BootSource, DriveConfig, DriveChange, NicConfig, NicChange,
                 SerialConfig, ApiAction, VmState, LoggerConfig, MetricsConfig>;

// What the fields of a Config are called in requests.
inline constexpr FieldNames kApiNames{.vcpus = "vcpu_count",
                                      .threads_per_core = "smt",
                                      .memory = "mem_size_mib",
                                      .command_line = "boot_args",
                                      .kernel = "kernel_image_path",
                                      .initrd = "initrd_path",
                                      .drive = "path_on_host",
                                      .nic = "host_dev_name",
                                      .mac = "guest_mac",
                                      .serial_output = "serial_out_path",
                                      .devices = "drives and network-interfaces",
                                      .published = "published"};

// The request of method, path and body. Errors: no such route; a device that Mayfly does not have;
// what is wrong with the body. They are good as long as `document`, into which the body is parsed,
// and `http` are.
Result<ApiRequest> parse_request(const HttpRequest& http, JsonDocument& document);
