// What a probe is told, one JSON object a line. Its writer is bench/mayfly_bench/probe.py, and
// METHOD.md has the fields: what is left out is 0, "" or nothing. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/rapidjson.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "bench/program.hpp"

// The fields of an object. It borrows the document.
class Fields {
public:
    explicit Fields(const rapidjson::Value& object) : object_(object) {}

    bool has(const char* name) const { return find(name) != nullptr; }
    std::string text(const char* name) const;
    uint64_t number(const char* name) const;
    bool is(const char* name) const;
    std::vector<std::string> texts(const char* name) const;
    std::vector<Fields> objects(const char* name) const;
    Fields object(const char* name) const;

private:
    const rapidjson::Value* find(const char* name) const;

    const rapidjson::Value& object_;
};

// Errors: EPROTO, it is no JSON object.
Result<std::unique_ptr<rapidjson::Document>> parse_plan(std::string_view line);

// A program with the files that it is given.
struct PlannedProgram {
    Program program;
    UniqueFd given_file;  // Program::given_fd
    UniqueFd error_file;  // Program::error_fd

    // Errors: as memfd_create(2), write(2); EPROTO, it has no words.
    static Result<PlannedProgram> create(const Fields& fields);
};

// What a client asks of an API.
struct PlannedRequest {
    std::string text;  // as it is sent
    int expected;      // the status that answers it
};
std::vector<PlannedRequest> planned_requests(const Fields& fields);
