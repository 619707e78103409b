#include "monitor/api/inquiries.hpp"

#include "monitor/api/documents.hpp"

namespace {

// The API that is spoken here; tools ask for it to learn what they may use.
constexpr const char* kFirecrackerVersion = "1.15.0";

JsonValue instance_document(const VmSettings& settings, const char* state) {
    JsonValue object = make_object();
    set_text(object.get(), "id", settings.id);
    set_text(object.get(), "state", state);
    set_text(object.get(), "vmm_version", MAYFLY_VERSION);
    set_text(object.get(), "app_name", "Mayfly");
    return object;
}

JsonValue version_document() {
    JsonValue object = make_object();
    set_text(object.get(), "firecracker_version", kFirecrackerVersion);
    set_text(object.get(), "mayfly_version", MAYFLY_VERSION);
    return object;
}

}  // namespace

HttpResponse answer_inquiry(Inquiry inquiry, const VmSettings& settings, const char* state,
                            const Metrics& metrics) {
    switch (inquiry) {
        case Inquiry::kInstance:
            return {.status = 200, .body = to_text(instance_document(settings, state).get())};
        case Inquiry::kVersion:
            return {.status = 200, .body = to_text(version_document().get())};
        case Inquiry::kConfig:
            return {.status = 200, .body = settings_text(settings)};
        case Inquiry::kMachine:
            return {.status = 200, .body = to_text(machine_document(settings.config).get())};
        case Inquiry::kPrometheus:
            return {.status = 200,
                    .body = metrics.prometheus(),
                    .content_type = "text/plain; version=0.0.4"};
    }
    __builtin_unreachable();
}
