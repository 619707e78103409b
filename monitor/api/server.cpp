#include "monitor/api/server.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/monotonic_clock.hpp"

namespace {

constexpr uint64_t kPauseNs = 100'000'000;

bool is_listening(int socket) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

// For poll(2): rounded up, and an hour at most, after which it is asked again.
int milliseconds_between(uint64_t now, uint64_t due) {
    constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;
    constexpr uint64_t kMost = 3'600'000;
    const uint64_t left = due > now ? due - now : 0;
    return static_cast<int>(std::min(left / kNanosecondsPerMillisecond + 1, kMost));
}

}  // namespace

HttpServer::HttpServer(UniqueFd socket, size_t max_body_bytes) : max_body_bytes_(max_body_bytes) {
    if (is_listening(socket.get()))
        listener_ = std::move(socket);
    else
        clients_.push_back(
            std::make_unique<HttpConnection>(std::move(socket), max_body_bytes_, turn_));
}

Result<bool> HttpServer::wait(std::vector<pollfd>& events, const HttpService& service) const {
    const uint64_t now = monotonic_ns();
    if (service.due_ns() <= now) service.on_due(now);
    uint64_t due = service.due_ns();
    if (accept_again_ns_ > now) due = std::min(due, accept_again_ns_);
    const int limit_ms = milliseconds_between(now, due);
    const int ready = ::poll(events.data(), events.size(), limit_ms);
    if (ready < 0 && errno != EINTR) return Error::from_errno("poll");
    return ready > 0;
}

Result<> HttpServer::serve(int stop, const HttpService& service) {
    std::vector<pollfd> events;
    while (true) {
        // A negative descriptor is passed over.
        const bool may_accept = listener_ && monotonic_ns() >= accept_again_ns_;
        events.assign({{stop, POLLIN, 0}, {may_accept ? listener_.get() : -1, POLLIN, 0}});
        const size_t first = events.size();
        for (const auto& client : clients_) events.push_back({client->fd(), client->events(), 0});
        if (!TRY(wait(events, service))) continue;
        if (events[0].revents != 0) return Ok{};
        ++turn_;
        for (size_t i = first; i < events.size(); ++i)
            if (events[i].revents != 0) clients_[i - first]->on_ready(service.answer, turn_);
        std::erase_if(clients_, [](const auto& client) { return client->is_over(); });
        if (events[1].revents != 0) accept_some();
        if (!listener_ && clients_.empty()) return Ok{};
    }
}

// No more than are kept: each is listened to once before it may have to go.
void HttpServer::accept_some() {
    for (size_t i = 0; i < kMostClients; ++i) {
        UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket) {
            // The next poll(2) will say that somebody still waits.
            if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return;
            // Out of descriptors or memory: who has been idle makes room, and the rest waits a
            // while.
            make_room();
            accept_again_ns_ = monotonic_ns() + kPauseNs;
            return;
        }
        if (clients_.size() >= kMostClients) make_room();
        clients_.push_back(
            std::make_unique<HttpConnection>(std::move(socket), max_body_bytes_, turn_));
    }
}

void HttpServer::make_room() {
    const auto idlest = std::ranges::min_element(
        clients_, {}, [](const auto& client) { return client->last_turn(); });
    if (idlest != clients_.end()) clients_.erase(idlest);
}
