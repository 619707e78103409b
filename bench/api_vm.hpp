// A monitor that is told by its API what to run. Owned by the measurement; one thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "bench/http_client.hpp"
#include "bench/program.hpp"

constexpr int kApiTimeoutMs = 30'000;

class ApiVm {
public:
    // The clock starts here. Whatever is at `socket_path` goes. Errors: as Process::start().
    static Result<ApiVm> start(const std::string& mayfly, const std::string& socket_path);

    // Waits until the monitor says on --ready-fd that its API is up. Returns the microseconds from
    // the start. Errors: ETIMEDOUT, EPIPE when it ended without.
    Result<double> ready_us() const;

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

// What a VM is to have.
struct ApiGuest {
    std::string kernel;
    std::string boot_args;
    std::string drive{};  // the path on the host; "" for none
    std::string tap{};    // "" for none
};

// The requests that configure and start it, in the order of a client: the last is InstanceStart.
std::vector<ApiRequest> requests_for(const ApiGuest& guest);
