#include "monitor/api/inquiries.hpp"

#include "monitor/api/documents.hpp"

namespace {

// The API that is spoken here; tools ask for it to learn what they may use.
constexpr const char* kFirecrackerVersion = "1.15.0";

std::string instance_text(const VmSettings& settings, const char* state) {
    JsonWriter out;
    out.text("id", settings.id);
    out.text("state", state);
    out.text("vmm_version", MAYFLY_VERSION);
    out.text("app_name", "Mayfly");
    return out.finish();
}

std::string version_text() {
    JsonWriter out;
    out.text("firecracker_version", kFirecrackerVersion);
    out.text("mayfly_version", MAYFLY_VERSION);
    return out.finish();
}

std::string machine_text(const Config& config) {
    JsonWriter out;
    write_machine(config, out);
    return out.finish();
}

}  // namespace

HttpResponse answer_inquiry(Inquiry inquiry, const VmSettings& settings, const char* state,
                            const Metrics& metrics) {
    switch (inquiry) {
        case Inquiry::kInstance:
            return {.status = 200, .body = instance_text(settings, state)};
        case Inquiry::kVersion:
            return {.status = 200, .body = version_text()};
        case Inquiry::kConfig:
            return {.status = 200, .body = settings_text(settings)};
        case Inquiry::kMachine:
            return {.status = 200, .body = machine_text(settings.config)};
        case Inquiry::kPrometheus:
            return {.status = 200,
                    .body = metrics.prometheus(),
                    .content_type = "text/plain; version=0.0.4"};
    }
    __builtin_unreachable();
}
