// The API's server: one thread, one poll(2), clients that cannot hold each other up.
//
// At most kMostClients are kept. When one more comes, the one that has said nothing for longest
// goes: HTTP lets a server close an idle connection, and a crowd of them keeps nobody out.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/api/connection.hpp"

// What the server is for. All of it is called on its thread.
struct HttpService {
    HttpHandler answer;
    // When something else is to be done, on the monotonic clock, and it: between two requests.
    std::function<uint64_t()> due_ns;
    std::function<void(uint64_t now_ns)> on_due;
};

class HttpServer {
public:
    static constexpr size_t kMostClients = 64;

    // `socket`: listening, or connected to the only client there will be.
    HttpServer(UniqueFd socket, size_t max_body_bytes);

    // Until `stop` (a descriptor) becomes readable, or the only client is gone. Errors: as poll(2).
    Result<> serve(int stop, const HttpService& service);

private:
    // Polls until something happens. False: nothing but that time has passed.
    Result<bool> wait(std::vector<pollfd>& events, const HttpService& service) const;
    void accept_some();
    void make_room();

    UniqueFd listener_;  // none with an only client
    size_t max_body_bytes_;
    std::vector<std::unique_ptr<HttpConnection>> clients_;
    uint64_t turn_ = 0;
    uint64_t accept_again_ns_ = 0;  // no descriptor was to be had; on the monotonic clock
};
