// A configuration file: the bodies of the requests that would make the VM, in one JSON object,
// whose keys are those of the table in resources.hpp. Each part is served as the request would be.
// Read by main, before there are other threads. `GET /vm/config` tells the same, on the API's
// thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "monitor/api/controller.hpp"

class ConfigFile {
public:
    // Errors are about `path`: as open(2); more than 1 MiB; no JSON.
    Result<> read(const char* path);

    // Tells `controller` what was read. A part that is unknown gets a line in the log. Errors are
    // about a part or a field: what is wrong with it, that it is missing, or a field unknown; as
    // Controller::serve().
    Result<> apply(Controller& controller) const;

private:
    JsonDocument document_;
};

// The file that makes a VM of these settings.
std::string settings_text(const VmSettings& settings);

HttpResponse tell_config(const Controller& controller);
