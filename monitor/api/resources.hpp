// The API, as a table: a row for each method of each path, in Firecracker's public OpenAPI 1.15's
// names, and what Firecracker has and Mayfly refuses. Constant; any thread.
//
// A new resource is a file of its own, a row in resources.cpp, and its description in openapi.json,
// which the unit tests hold against the table.
#pragma once

#include <span>
#include <string_view>

#include "monitor/api/controller.hpp"
#include "monitor/metrics/groups.hpp"

struct Resource;

// What is asked of a resource.
struct ApiCall {
    const Resource& resource;
    const JsonNode& body;  // null for a GET
    std::string_view id;  // the one in the path; empty: a configuration file asks, or there is none
};

// When a part of a configuration file is applied.
enum class FileTurn : uint8_t {
    kFirst,  // for what the others may have to say
    kThen,   // in the table's order
};

// A part of a configuration file, and of what `GET /vm/config` tells.
struct FilePart {
    const char* key = nullptr;  // nullptr: it is none
    FileTurn turn = FileTurn::kThen;
    // The key and what is set, or null; of one that Firecracker has not in its files, nothing.
    void (*write)(const char* key, const VmSettings& settings, JsonWriter& out) = nullptr;
};

struct Resource {
    HttpMethod method;
    std::string_view path;  // as openapi.json has it: one that takes an id ends in "{FIELD}"
    When when;
    // Parses the body, and then does what it asks for. Errors: of the body; another id than the
    // path's; expect(when); those of what is done.
    Result<HttpResponse> (*answer)(const ApiCall& call, Controller& controller);
    Counter ApiRequestMetrics::*requests = nullptr;  // nullptr: not counted, as in Firecracker
    Counter ApiRequestMetrics::*fails = nullptr;
    FilePart part{};

    // In a configuration file it is a list then.
    constexpr bool takes_id() const { return path.ends_with('}'); }
    // Without the id.
    constexpr std::string_view fixed_path() const { return path.substr(0, path.find('{')); }
    // Where the body repeats the id. Precondition: takes_id().
    constexpr std::string_view id_field() const {
        return path.substr(fixed_path().size() + 1, path.size() - fixed_path().size() - 2);
    }
    // Whether it is at `path`, and not only below.
    bool is_at(std::string_view path) const;
    std::string_view id_of(std::string_view path) const;
    void count(bool is_done, ApiRequestMetrics& metrics) const;
};

// What Firecracker has, at this path and below it, and perhaps in its configuration files.
struct RefusedResource {
    std::string_view path;  // of a literal
    const char* why;
    const char* file_key = nullptr;  // nullptr: none
    bool is_list = false;            // in the file
    // A guest works without it: Controller::accept_absent(). Not so without its disk or its state.
    bool is_dispensable = true;
};

std::span<const Resource> resources();
std::span<const RefusedResource> refused_resources();

// The one that a request is for; nullptr: none. What is below a path with an id counts as asked of
// it: see Resource::is_at().
const Resource* find_resource(HttpMethod method, std::string_view path);

// What Firecracker has at `path` and Mayfly does not; nullptr: it is nothing of that kind.
const RefusedResource* find_refused(std::string_view path);
