#include "bench/api_vm.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

Result<ApiVm> ApiVm::start(Program program, const std::string& socket_path) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno("pipe2");
    UniqueFd ready(ends[0]);
    const UniqueFd said(ends[1]);
    ::unlink(socket_path.c_str());
    program.given_fd = said.get();
    return ApiVm(TRY(Process::start(program)), std::move(ready), socket_path);
}

Result<double> ApiVm::ready_us(int limit_ms) const {
    TRY(wait_readable(ready_.get(), process_.started_us() + limit_ms * 1000.0));
    std::array<char, 16> line{};
    const ssize_t got = ::read(ready_.get(), line.data(), line.size());
    const double arrived_us = now_us();
    if (got < 0) return Error::from_errno("read");
    if (got == 0) return Error{"API", EPIPE, "the program ended before it was up"};
    return arrived_us - process_.started_us();
}
