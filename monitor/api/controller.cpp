#include "monitor/api/controller.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "monitor/api/fields.hpp"
#include "monitor/api/resources.hpp"

namespace {

std::string_view without_end_slashes(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path;
}

}  // namespace

// --- Requests -----------------------------------------------------------------------------------

HttpResponse Controller::answer(HttpRequest http) {
    http.path = without_end_slashes(http.path);
    auto answered = serve(http);
    if (const Resource* const resource = find_resource(http.method, http.path))
        resource->count(answered.ok(), observation_.metrics().requests);
    if (answered.ok()) {
        log(http, answered.value());
        return std::move(answered).value();
    }
    const std::string why = fault_text(answered.error());
    HttpResponse fault = http_fault(why);
    log_fault(http, fault.status, why.c_str());
    return fault;
}

Result<HttpResponse> Controller::serve(HttpRequest http) {
    http.path = without_end_slashes(http.path);
    if (const RefusedResource* const absent = find_refused(http.path))
        return answer_absent(*absent, http);
    const Resource* const resource = find_resource(http.method, http.path);
    if (resource == nullptr || !resource->is_at(http.path))
        return Error{"Invalid request method and/or path", 0, "see openapi.json"};
    JsonDocument document;
    if (http.method == HttpMethod::kGet) {
        if (!http.body.empty()) return Error{"GET request cannot have a body."};
    } else {
        if (http.body.empty())
            return Error{http.method == HttpMethod::kPut ? "Empty PUT request."
                                                         : "Empty PATCH request."};
        TRY(document.parse(http.body));
    }
    return resource->answer(
        {.resource = *resource, .body = document.root(), .id = resource->id_of(http.path)}, *this);
}

Result<HttpResponse> Controller::answer_absent(const RefusedResource& absent,
                                               const HttpRequest& http) {
    // There is nothing that a GET could tell.
    const bool asks_for_it = absent.is_dispensable && http.method != HttpMethod::kGet;
    if (!asks_for_it || !settings().accepts_absent)
        return Error{absent.why}.about("Invalid request method and/or path: " +
                                       std::string(absent.path));
    TRY(accept_absent(absent.path, absent.why));
    if (!http.body.empty()) {
        JsonDocument document;
        TRY(document.parse(http.body));
    }
    return HttpResponse{};
}

Result<> Controller::accept_absent(std::string_view name, const char* why) {
    if (!settings().accepts_absent) return Error{name.data(), 0, why};
    if (std::ranges::find(accepted_, name) != accepted_.end()) return Ok{};
    accepted_.push_back(name);
    LOG_WARNING("%s: accepted (--accept-absent), and not there: %s", name.data(), why);
    return Ok{};
}

// The client has been told already; who has asked for a log wants to know too, in words that are
// looked for in Firecracker's. The client is who has the VM, and may fill its own log.
void Controller::log(const HttpRequest& http, const HttpResponse& response) const {
    if (!observation_.has_log()) return;
    const std::string path(http.path);
    LOG_INFO("%s request on \"%s\" was executed successfully. Status code: %d %s.",
             name_of(http.method), path.c_str(), response.status, http_reason(response.status));
    if (response.deprecated != nullptr)
        LOG_WARNING("%s %s: %s field is deprecated.", name_of(http.method), path.c_str(),
                    response.deprecated);
}

void Controller::log_fault(const HttpRequest& http, int status, const char* why) const {
    if (!observation_.has_log()) return;
    const std::string path(http.path);
    LOG_ERROR("%s request on \"%s\": Received Error. Status code: %d %s. Message: %s",
              name_of(http.method), path.c_str(), status, http_reason(status), why);
}

// --- The VM -------------------------------------------------------------------------------------

Result<> Controller::expect(When when) const {
    if (when == When::kBefore && running_.has_value())
        return Error{"The requested operation is not supported after starting the microVM."};
    if (when == When::kAfter && !running_.has_value())
        return Error{"The requested operation is not supported before starting the microVM."};
    return Ok{};
}

const char* Controller::state() const {
    if (!running_.has_value()) return "Not started";
    return running_->is_paused ? "Paused" : "Running";
}

Result<HttpResponse> Controller::take(Config config) {
    TRY(validate(config, kApiNames));
    files_.notice_changes();
    TRY(files_.open_missing(config, kApiNames));
    settings_.config = std::move(config);
    is_configured_ = true;
    return HttpResponse{};
}

void Controller::foresee() const {
    const Config& config = settings_.config;
    const bool is_usual = !config.shape.extras.pmu && config.host.ram_pages == RamPages::kOrdinary;
    if (starter_ != nullptr && is_usual) starter_->foresee(config.shape.memory_bytes);
}

Result<> Controller::start_instance() {
    TRY(expect(When::kBefore));
    if (settings_.config.boot.kernel_path.empty())
        return Error{"InstanceStart", 0, "needs a kernel; PUT /boot-source first"};
    // A start that failed has used up what was open.
    TRY(files_.open_missing(settings_.config, kApiNames));
    on_started(*TRY(starter_->start(settings_.config, files_)));
    return Ok{};
}

Result<Config> Controller::read_snapshot(const std::string& state_path,
                                         const std::string& memory_path) {
    if (is_configured_)
        return Error{
            "Loading a microVM snapshot not allowed after configuring boot-specific "
            "resources."};
    SnapshotFiles snapshot = TRY(SnapshotFiles::open(state_path, memory_path));
    auto read = starter_->read_snapshot(snapshot);
    if (!read.ok() && snapshot.has_other_memory() && snapshot.open_other_memory().ok())
        read = starter_->read_snapshot(snapshot);
    Config config = TRY(std::move(read));
    config.host.tenancy = settings_.config.host.tenancy;
    config.host.sharing = settings_.config.host.sharing;
    config.host.ready_fd = settings_.config.host.ready_fd;
    config.host.ready_way = settings_.config.host.ready_way;
    config.host.vcpu_threads = settings_.config.host.vcpu_threads;
    return config;
}

Result<> Controller::restore_instance(Config config, AfterRestore after) {
    TRY(validate(config, kApiNames));
    TRY(files_.open_missing(config, kApiNames));
    Config before = std::exchange(settings_.config, std::move(config));
    const auto started = starter_->restore(settings_.config, files_, after);
    if (!started.ok()) {
        settings_.config = std::move(before);
        return started.error();
    }
    on_started(*started.value());
    running_->is_paused = after == AfterRestore::kPaused;
    return Ok{};
}

void Controller::on_started(RunningVm& vm) {
    vm.attach_to(observation_.metrics());
    observation_.on_started();
    running_.emplace(RunningInstance{.vm = vm, .settings = settings_});
}
