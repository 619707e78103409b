// A configuration file: the bodies of the requests that would make the VM, in one JSON object,
// whose keys are their paths'. Each part goes through the same parser and the same controller as
// the request does. Main thread, before others.
#pragma once

#include <list>

#include "base/result.hpp"
#include "monitor/api/documents.hpp"
#include "monitor/api/json.hpp"
#include "monitor/api/preboot_controller.hpp"
#include "monitor/api/request.hpp"

class ConfigFile {
public:
    // Errors are about `path`: as open(2); more than 1 MiB; no JSON.
    Result<> read(const char* path);

    // Tells `controller` what was read. Errors are about a part or a field, and good as long as the
    // file and the controller: what is wrong with it, that it is missing or unknown; as
    // PrebootController::answer().
    Result<> apply(PrebootController& controller);

private:
    Result<> apply_part(const char* name, ParseBody parse, const JsonNode& body,
                        PrebootController& controller);

    JsonDocument document_;
    std::list<ApiRequest> parts_;  // errors are about them
};
