#include "monitor/api/request.hpp"

#include <algorithm>
#include <array>

#include "monitor/api/documents.hpp"
#include "monitor/api/words.hpp"

namespace {

constexpr const char* kNoSnapshots = "Mayfly cannot take or load snapshots yet";
constexpr const char* kThreeDevices =
    "Mayfly has three kinds of device: virtio-block (drives), virtio-net (network-interfaces) and "
    "a serial port; there is no other";

// Routes of the peer that are refused, by what their path begins with.
struct Refused {
    std::string_view path;
    const char* why;
};
constexpr std::array kRefused = {
    Refused{"/vsock", kThreeDevices},
    Refused{"/balloon", kThreeDevices},
    Refused{"/entropy", kThreeDevices},
    Refused{"/pmem", kThreeDevices},
    Refused{"/hotplug", kThreeDevices},
    Refused{"/mmds",
            "Mayfly has no metadata service; its devices are three: virtio-block, "
            "virtio-net and a serial port"},
    Refused{"/cpu-config", "Mayfly has no CPU templates: a guest sees the host's CPU"},
    Refused{"/snapshot", kNoSnapshots},
};

struct Route {
    HttpMethod method;
    std::string_view path;  // one that ends in a slash goes on with an id
    ParseBody parse;
};
constexpr std::array kRoutes = {
    Route{HttpMethod::kPut, "/machine-config", &parse_as<&parse_whole_machine>},
    Route{HttpMethod::kPatch, "/machine-config", &parse_as<&parse_machine_change>},
    Route{HttpMethod::kPut, "/boot-source", &parse_as<&parse_boot_source>},
    Route{HttpMethod::kPut, "/drives/", &parse_as<&parse_drive>},
    Route{HttpMethod::kPatch, "/drives/", &parse_as<&parse_drive_change>},
    Route{HttpMethod::kPut, "/network-interfaces/", &parse_as<&parse_nic>},
    Route{HttpMethod::kPatch, "/network-interfaces/", &parse_as<&parse_nic_change>},
    Route{HttpMethod::kPut, "/serial", &parse_as<&parse_serial>},
    Route{HttpMethod::kPut, "/actions", &parse_as<&parse_action>},
    Route{HttpMethod::kPatch, "/vm", &parse_as<&parse_vm_state>},
    Route{HttpMethod::kPut, "/logger", &parse_as<&parse_logger>},
    Route{HttpMethod::kPut, "/metrics", &parse_as<&parse_metrics>},
};

struct Question {
    std::string_view path;
    Inquiry inquiry;
};
constexpr std::array kQuestions = {
    Question{"/", Inquiry::kInstance},
    Question{"/version", Inquiry::kVersion},
    Question{"/vm/config", Inquiry::kConfig},
    Question{"/machine-config", Inquiry::kMachine},
    Question{"/metrics/prometheus", Inquiry::kPrometheus},
};

bool takes_id(const Route& route) {
    return route.path.size() > 1 && route.path.back() == '/';
}

bool is_on(std::string_view path, const Route& route) {
    if (!takes_id(route)) return path == route.path;
    return path.starts_with(route.path) && path.size() > route.path.size() &&
           path.find('/', route.path.size()) == std::string_view::npos;
}

// The id of a body against that of its path.
Result<> expect_id(const ApiRequest& request, std::string_view id) {
    const auto expect = [id](const char* field, const std::string& given) -> Result<> {
        if (given == id) return Ok{};
        return Error{field, 0, "is not the one in the path"};
    };
    if (const auto* const drive = std::get_if<DriveConfig>(&request))
        return expect("drive_id", drive->shape.id);
    if (const auto* const drive = std::get_if<DriveChange>(&request))
        return expect("drive_id", drive->id);
    if (const auto* const nic = std::get_if<NicConfig>(&request))
        return expect("iface_id", nic->shape.id);
    if (const auto* const nic = std::get_if<NicChange>(&request))
        return expect("iface_id", nic->id);
    return Ok{};
}

Result<> expect_known(std::string_view path) {
    for (const Refused& refused : kRefused) {
        if (!path.starts_with(refused.path)) continue;
        const std::string_view rest = path.substr(refused.path.size());
        if (rest.empty() || rest.front() == '/') return Error{refused.path.data(), 0, refused.why};
    }
    return Ok{};
}

}  // namespace

bool is_word(std::string_view text, std::string_view word, LetterCase letters) {
    const auto folded = [letters](char c) {
        const bool is_capital = c >= 'A' && c <= 'Z';
        return letters == LetterCase::kIgnored && is_capital ? static_cast<char>(c | 0x20) : c;
    };
    return std::ranges::equal(text, word, {}, folded, folded);
}

Result<ApiRequest> parse_request(const HttpRequest& http, JsonDocument& document) {
    const Error no_route{"request", 0, "has no such method and path; see openapi.json"};
    TRY(expect_known(http.path));
    if (http.method == HttpMethod::kGet) {
        const auto question = std::ranges::find(kQuestions, http.path, &Question::path);
        if (question == kQuestions.end()) return no_route;
        if (!http.body.empty()) return Error{"body", 0, "is not taken by a GET"};
        return ApiRequest(question->inquiry);
    }
    const auto route = std::ranges::find_if(
        kRoutes, [&](const Route& it) { return it.method == http.method && is_on(http.path, it); });
    if (route == kRoutes.end()) return no_route;
    if (http.body.empty()) return Error{"body", 0, "is missing"};
    TRY(document.parse(http.body));
    ApiRequest request = TRY(route->parse(document.root()));
    if (takes_id(*route)) TRY(expect_id(request, http.path.substr(route->path.size())));
    return request;
}
