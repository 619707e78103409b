#include "monitor/auto_net/lifeline.hpp"

#include <sys/socket.h>

#include <array>
#include <cstring>

Result<Lifeline> Lifeline::create() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return Error::from_errno("socketpair");
    return Lifeline{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> Lifeline::keep(const UniqueFd& fd) {
    const int number = fd.get();
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(number))> control{};
    char byte = 0;
    iovec data{&byte, sizeof(byte)};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(number));
    std::memcpy(CMSG_DATA(header), &number, sizeof(number));
    // Without MSG_DONTWAIT, what does not fit would wait for somebody to receive.
    if (::sendmsg(sender_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return Error::from_errno("sendmsg(SCM_RIGHTS)");
    return Ok{};
}
