#include "monitor/api/resources.hpp"

#include <algorithm>
#include <array>

#include "monitor/api/actions.hpp"
#include "monitor/api/boot_source.hpp"
#include "monitor/api/config_file.hpp"
#include "monitor/api/drives.hpp"
#include "monitor/api/instance.hpp"
#include "monitor/api/logger.hpp"
#include "monitor/api/machine_config.hpp"
#include "monitor/api/metrics.hpp"
#include "monitor/api/network_interfaces.hpp"
#include "monitor/api/serial.hpp"
#include "monitor/api/snapshots.hpp"
#include "monitor/api/vm_state.hpp"

namespace {

template <auto kTell>
Result<HttpResponse> told(const ApiCall& /*call*/, Controller& controller) {
    return kTell(controller);
}

template <typename Document>
std::string_view id_of(const Document& document) {
    if constexpr (requires { document.shape.id; })
        return document.shape.id;
    else if constexpr (requires { document.id; })
        return document.id;
    return {};
}

template <auto kParse, auto kDo>
Result<HttpResponse> done(const ApiCall& call, Controller& controller) {
    const auto document = TRY(kParse(call.body));
    if (!call.id.empty() && call.id != id_of(document))
        return Error{"The id from the path does not match the id from the body!"}.about(
            call.resource.id_field());
    TRY(controller.expect(call.resource.when));
    return kDo(document, controller);
}

template <auto kDevices, auto kWrite>
void write_list(const char* key, const VmSettings& settings, JsonWriter& out) {
    out.array(key, (settings.config.*kDevices)(), [&](const auto& device) { kWrite(device, out); });
}

template <auto kPart, auto kWrite>
void write_given(const char* key, const VmSettings& settings, JsonWriter& out) {
    const auto& part = settings.*kPart;
    part.has_value() ? out.object(key, [&] { kWrite(*part, out); }) : out.null(key);
}

using enum HttpMethod;
using enum When;
using enum FileTurn;

// What `GET /vm/config` tells, it tells in this order. The columns are those of Resource.
constexpr std::array kResources = {
    Resource{kGet, "/", kAlways, &told<&tell_instance>,
             &ApiRequestMetrics::get_instance_info_count},
    Resource{kGet, "/version", kAlways, &told<&tell_version>,
             &ApiRequestMetrics::get_vmm_version_count},
    Resource{kGet, "/vm/config", kAlways, &told<&tell_config>},
    Resource{kPut, "/boot-source", kBefore, &done<&parse_boot_source, &put_boot_source>,
             &ApiRequestMetrics::put_boot_source_count, &ApiRequestMetrics::put_boot_source_fails,
             FilePart{"boot-source", kThen, &write_boot_source_part}},
    Resource{kPut, "/drives/{drive_id}", kBefore, &done<&parse_drive, &put_drive>,
             &ApiRequestMetrics::put_drive_count, &ApiRequestMetrics::put_drive_fails,
             FilePart{"drives", kThen, &write_list<&Config::drives, &write_drive>}},
    Resource{kPatch, "/drives/{drive_id}", kAfter, &done<&parse_drive_change, &change_drive>,
             &ApiRequestMetrics::patch_drive_count, &ApiRequestMetrics::patch_drive_fails},
    Resource{kGet, "/machine-config", kAlways, &told<&tell_machine>,
             &ApiRequestMetrics::get_machine_cfg_count},
    Resource{kPut, "/machine-config", kBefore, &done<&parse_whole_machine, &change_machine>,
             &ApiRequestMetrics::put_machine_cfg_count, &ApiRequestMetrics::put_machine_cfg_fails,
             FilePart{"machine-config", kThen, &write_machine_part}},
    Resource{kPatch, "/machine-config", kBefore, &done<&parse_machine_change, &change_machine>,
             &ApiRequestMetrics::patch_machine_cfg_count,
             &ApiRequestMetrics::patch_machine_cfg_fails},
    Resource{kPut, "/network-interfaces/{iface_id}", kBefore, &done<&parse_nic, &put_nic>,
             &ApiRequestMetrics::put_network_count, &ApiRequestMetrics::put_network_fails,
             FilePart{"network-interfaces", kThen, &write_list<&Config::nics, &write_nic>}},
    Resource{kPatch, "/network-interfaces/{iface_id}", kAfter,
             &done<&parse_nic_change, &change_nic>, &ApiRequestMetrics::patch_network_count,
             &ApiRequestMetrics::patch_network_fails},
    Resource{kPut, "/serial", kBefore, &done<&parse_serial, &put_serial>,
             &ApiRequestMetrics::put_serial_count, &ApiRequestMetrics::put_serial_fails,
             FilePart{"serial", kThen, &write_serial_part}},
    Resource{kPut, "/logger", kBefore, &done<&parse_logger, &put_logger>,
             &ApiRequestMetrics::put_logger_count, &ApiRequestMetrics::put_logger_fails,
             FilePart{"logger", kFirst, &write_given<&VmSettings::logger, &write_logger>}},
    Resource{kPut, "/metrics", kBefore, &done<&parse_metrics, &put_metrics>,
             &ApiRequestMetrics::put_metrics_count, &ApiRequestMetrics::put_metrics_fails,
             FilePart{"metrics", kFirst, &write_given<&VmSettings::metrics, &write_metrics>}},
    Resource{kGet, "/metrics/prometheus", kAlways, &told<&tell_prometheus>},
    Resource{kPut, "/actions", kAlways, &done<&parse_action, &act>,
             &ApiRequestMetrics::put_actions_count, &ApiRequestMetrics::put_actions_fails},
    Resource{kPut, "/snapshot/create", kAfter, &done<&parse_snapshot_creation, &create_snapshot>},
    Resource{kPut, "/snapshot/load", kBefore, &done<&parse_snapshot_load, &load_snapshot>},
    Resource{kPatch, "/vm", kAfter, &done<&parse_vm_state, &change_vm_state>},
};

constexpr const char* kThreeDevices =
    "Mayfly has three kinds of device: virtio-block (drives), virtio-net (network-interfaces) and "
    "a serial port; there is no other";
constexpr const char* kNoMetadata =
    "Mayfly has no metadata service; its devices are three: virtio-block, virtio-net and a serial "
    "port";

constexpr std::array kRefused = {
    RefusedResource{"/vsock", kThreeDevices, "vsock"},
    RefusedResource{"/balloon", kThreeDevices, "balloon"},
    RefusedResource{"/entropy", kThreeDevices, "entropy"},
    RefusedResource{"/pmem", kThreeDevices, "pmem", true, false},
    RefusedResource{"/hotplug", kThreeDevices, "memory-hotplug", false, false},
    RefusedResource{"/mmds", kNoMetadata, "mmds-config"},
    RefusedResource{"/metadata", kNoMetadata},
    RefusedResource{"/cpu-config",
                    "Mayfly has no CPU templates of a user's own; cpu_template can be T2",
                    "cpu-config"},
};

}  // namespace

bool Resource::is_at(std::string_view asked) const {
    if (!takes_id()) return asked == path;
    const std::string_view id = id_of(asked);
    return asked.starts_with(fixed_path()) && !id.empty() && id.find('/') == id.npos;
}

std::string_view Resource::id_of(std::string_view asked) const {
    return asked.substr(std::min(fixed_path().size(), asked.size()));
}

void Resource::count(bool is_done, ApiRequestMetrics& metrics) const {
    if (requests != nullptr) (metrics.*requests).add();
    if (fails != nullptr && !is_done) (metrics.*fails).add();
}

std::span<const Resource> resources() {
    return kResources;
}

std::span<const RefusedResource> refused_resources() {
    return kRefused;
}

const Resource* find_resource(HttpMethod method, std::string_view path) {
    const auto* const found = std::ranges::find_if(kResources, [&](const Resource& resource) {
        const std::string_view fixed = resource.fixed_path();
        const bool is_below = path.starts_with(fixed) || path == fixed.substr(0, fixed.size() - 1);
        const bool is_there = resource.takes_id() ? is_below : path == resource.path;
        return resource.method == method && is_there;
    });
    return found == kResources.end() ? nullptr : found;
}

const RefusedResource* find_refused(std::string_view path) {
    for (const RefusedResource& refused : kRefused) {
        if (!path.starts_with(refused.path)) continue;
        const std::string_view rest = path.substr(refused.path.size());
        if (rest.empty() || rest.front() == '/') return &refused;
    }
    return nullptr;
}
