#include "monitor/api/instance.hpp"

#include "base/json_writer.hpp"

HttpResponse tell_instance(const Controller& controller) {
    JsonWriter out;
    out.text("id", controller.settings().id);
    out.text("state", controller.state());
    out.text("vmm_version", MAYFLY_VERSION);
    out.text("app_name", "Mayfly");
    return {.status = 200, .body = out.finish()};
}

HttpResponse tell_version(const Controller& /*controller*/) {
    // The API that is spoken here; tools ask for it to learn what they may use.
    constexpr const char* kFirecrackerVersion = "1.15.0";
    JsonWriter out;
    out.text("firecracker_version", kFirecrackerVersion);
    out.text("mayfly_version", MAYFLY_VERSION);
    return {.status = 200, .body = out.finish()};
}
