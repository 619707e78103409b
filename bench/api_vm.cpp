#include "bench/api_vm.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

Result<ApiVm> ApiVm::start(const std::string& mayfly, const std::string& socket_path) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno("pipe2");
    UniqueFd ready(ends[0]);
    const UniqueFd said(ends[1]);
    ::unlink(socket_path.c_str());
    Process process = TRY(Process::start({.name = "mayfly",
                                          .words = {mayfly, "--api-sock", socket_path, "--ready-fd",
                                                    std::to_string(Program::kGivenFd)},
                                          .given_fd = said.get()}));
    return ApiVm(std::move(process), std::move(ready), socket_path);
}

Result<double> ApiVm::ready_us() const {
    TRY(wait_readable(ready_.get(), process_.started_us() + kApiTimeoutMs * 1000.0));
    std::array<char, 16> line{};
    const ssize_t got = ::read(ready_.get(), line.data(), line.size());
    const double arrived_us = now_us();
    if (got < 0) return Error::from_errno("read");
    if (got == 0) return Error{"API", EPIPE, "the program ended before it was up"};
    return arrived_us - process_.started_us();
}

std::vector<ApiRequest> requests_for(const ApiGuest& guest) {
    std::vector<ApiRequest> requests;
    const auto put = [&](const char* path, std::string body) {
        requests.push_back({.method = "PUT", .path = path, .body = std::move(body)});
    };
    put("/boot-source", R"({"kernel_image_path":")" + guest.kernel + R"(","boot_args":")" +
                            guest.boot_args + "\"}");
    put("/machine-config", R"({"vcpu_count":1,"mem_size_mib":128})");
    if (!guest.drive.empty())
        put("/drives/disk",
            R"({"drive_id":"disk","is_root_device":false,"path_on_host":")" + guest.drive + "\"}");
    if (!guest.tap.empty())
        put("/network-interfaces/eth0",
            R"({"iface_id":"eth0","host_dev_name":")" + guest.tap + "\"}");
    put("/actions", R"({"action_type":"InstanceStart"})");
    return requests;
}
