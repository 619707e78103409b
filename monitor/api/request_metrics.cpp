#include "monitor/api/request_metrics.hpp"

#include <array>

namespace {

struct Counters {
    HttpMethod method;
    std::string_view path;  // one that ends in a slash goes on with an id
    Counter ApiRequestMetrics::*count;
    Counter ApiRequestMetrics::*fails;  // nullptr: it cannot
};

constexpr std::array kCounters = {
    Counters{HttpMethod::kGet, "/machine-config", &ApiRequestMetrics::get_machine_cfg_count,
             nullptr},
    Counters{HttpMethod::kGet, "/version", &ApiRequestMetrics::get_vmm_version_count, nullptr},
    Counters{HttpMethod::kPut, "/actions", &ApiRequestMetrics::put_actions_count,
             &ApiRequestMetrics::put_actions_fails},
    Counters{HttpMethod::kPut, "/boot-source", &ApiRequestMetrics::put_boot_source_count,
             &ApiRequestMetrics::put_boot_source_fails},
    Counters{HttpMethod::kPut, "/drives/", &ApiRequestMetrics::put_drive_count,
             &ApiRequestMetrics::put_drive_fails},
    Counters{HttpMethod::kPut, "/logger", &ApiRequestMetrics::put_logger_count,
             &ApiRequestMetrics::put_logger_fails},
    Counters{HttpMethod::kPut, "/machine-config", &ApiRequestMetrics::put_machine_cfg_count,
             &ApiRequestMetrics::put_machine_cfg_fails},
    Counters{HttpMethod::kPut, "/metrics", &ApiRequestMetrics::put_metrics_count,
             &ApiRequestMetrics::put_metrics_fails},
    Counters{HttpMethod::kPut, "/network-interfaces/", &ApiRequestMetrics::put_network_count,
             &ApiRequestMetrics::put_network_fails},
    Counters{HttpMethod::kPut, "/serial", &ApiRequestMetrics::put_serial_count,
             &ApiRequestMetrics::put_serial_fails},
    Counters{HttpMethod::kPatch, "/drives/", &ApiRequestMetrics::patch_drive_count,
             &ApiRequestMetrics::patch_drive_fails},
    Counters{HttpMethod::kPatch, "/machine-config", &ApiRequestMetrics::patch_machine_cfg_count,
             &ApiRequestMetrics::patch_machine_cfg_fails},
    Counters{HttpMethod::kPatch, "/network-interfaces/", &ApiRequestMetrics::patch_network_count,
             &ApiRequestMetrics::patch_network_fails},
};

}  // namespace

void count_request(const HttpRequest& request, Outcome outcome, ApiRequestMetrics& metrics) {
    if (request.method == HttpMethod::kGet && request.path == "/")
        metrics.get_instance_info_count.add();
    for (const Counters& counters : kCounters) {
        const bool is_path = counters.path.ends_with('/') ? request.path.starts_with(counters.path)
                                                          : request.path == counters.path;
        if (counters.method != request.method || !is_path) continue;
        (metrics.*counters.count).add();
        if (outcome == Outcome::kRefused && counters.fails != nullptr)
            (metrics.*counters.fails).add();
    }
}
