// What answers a netlink request: the bytes are datagrams, each behind its length in two bytes, and
// the first byte says how many confirmations are awaited. Whoever answers, and whatever: the wait
// ends with as many confirmations as were asked for or with the error that came first.
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fuzz_script.hpp"
#include "monitor/auto_net/netlink.hpp"

namespace {

// The confirmations in one datagram, by another reader than the one that is tested. `error` is that
// of the first one that is an error.
size_t confirmations(std::span<const uint8_t> datagram, int32_t& error) {
    size_t found = 0;
    for (size_t at = 0; error == 0 && datagram.size() - at >= NLMSG_HDRLEN;) {
        nlmsghdr header{};
        std::memcpy(&header, &datagram[at], sizeof(header));
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > datagram.size() - at) break;
        if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_len >= NLMSG_HDRLEN + sizeof(error)) {
            std::memcpy(&error, &datagram[at + NLMSG_HDRLEN], sizeof(error));
            if (error == 0) ++found;
        }
        const size_t next = at + NLMSG_ALIGN(size_t{header.nlmsg_len});
        if (next > datagram.size()) break;
        at = next;
    }
    return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr int kMostDatagrams = 8;  // a socket's queue has room for ten
    std::array<int, 2> ends{};
    // Where no more answers come, the wait is at its end here: the kernel always gives one.
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) ==
          0);
    const UniqueFd socket(ends[0]);
    const UniqueFd kernel(ends[1]);
    FuzzScript script({data, size});
    const size_t awaited = script.next() % 8;
    size_t found = 0;
    int32_t error = 0;
    for (int i = 0; i < kMostDatagrams && !script.is_over(); ++i) {
        const auto datagram = script.next_bytes(script.next_word() % 8192U);
        if (datagram.empty()) break;
        check(::send(kernel.get(), datagram.data(), datagram.size(), 0) ==
              static_cast<ssize_t>(datagram.size()));
        if (error == 0 && found < awaited) found += confirmations(datagram, error);
    }
    NetlinkMessages messages;
    messages.begin(NLMSG_NOOP, NLM_F_ACK, uint32_t{0});
    const Result<> result = send_and_confirm(socket, messages, awaited, "fuzz");
    if (awaited == 0)
        check(result.ok());
    else if (error != 0)
        check(!result.ok());
    else
        check(result.ok() == (found >= awaited));
    return 0;
}
