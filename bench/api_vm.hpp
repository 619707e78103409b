// A monitor that is told by its API what to run. Owned by the probe; one thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "bench/http_client.hpp"
#include "bench/program.hpp"

class ApiVm {
public:
    // The clock starts here. `program` listens at `socket_path`, where whatever is there goes, and
    // has Program::kGivenFd to say that it is up. Errors: as Process::start().
    static Result<ApiVm> start(Program program, const std::string& socket_path);

    // Waits until the monitor says that its API is up. Returns the microseconds from the start.
    // Errors: ETIMEDOUT, EPIPE when it ended without.
    Result<double> ready_us(int limit_ms) const;

    Result<HttpClient> connect() const { return HttpClient::connect(socket_path_.c_str()); }
    Process& process() { return process_; }
    const Process& process() const { return process_; }

private:
    ApiVm(Process process, UniqueFd ready, std::string socket_path)
        : process_(std::move(process)),
          ready_(std::move(ready)),
          socket_path_(std::move(socket_path)) {}

    Process process_;
    UniqueFd ready_;
    std::string socket_path_;
};
