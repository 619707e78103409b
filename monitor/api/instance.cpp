#include "monitor/api/instance.hpp"

#include "base/called_as.hpp"
#include "base/json_writer.hpp"

HttpResponse tell_instance(const Controller& controller) {
    JsonWriter out;
    out.text("id", controller.settings().id);
    out.text("state", controller.state());
    const bool is_peer = controller.settings().called == CalledAs::kPeer;
    out.text("vmm_version", is_peer ? kPeerVersion : MAYFLY_VERSION);
    out.text("app_name", is_peer ? "Firecracker" : "Mayfly");
    return {.status = 200, .body = out.finish()};
}

HttpResponse tell_version(const Controller& /*controller*/) {
    JsonWriter out;
    out.text("firecracker_version", kPeerVersion);
    out.text("mayfly_version", MAYFLY_VERSION);
    return {.status = 200, .body = out.finish()};
}
