#include "monitor/api/server.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <gtest/gtest.h>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "base/event_fd.hpp"
#include "base/monotonic_clock.hpp"
#include "monitor/api/socket.hpp"

namespace {

constexpr size_t kMostBody = 1024;

std::string get(const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\n\r\n";
}

std::string answer_to(const std::string& path) {
    return format_http_response({.status = 200, .body = path}, true);
}

// A client that waits for its answers, though not forever.
class Client {
public:
    explicit Client(UniqueFd socket) : socket_(std::move(socket)) {
        const timeval limit{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    }

    static Client at(const std::string& path) {
        UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
        EXPECT_EQ(::connect(socket.get(), generic, sizeof(address)), 0);
        return Client(std::move(socket));
    }

    // False: the server has closed it.
    bool send(std::string_view text) const {
        return ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(text.size());
    }

    // So many bytes, or what there is before the end.
    std::string receive(size_t size) const {
        std::string text(size, '\0');
        size_t have = 0;
        while (have < size) {
            const ssize_t more = ::recv(socket_.get(), text.data() + have, size - have, 0);
            if (more <= 0) break;
            have += static_cast<size_t>(more);
        }
        return text.substr(0, have);
    }

    bool is_answered(const std::string& path) const {
        return send(get(path)) && reads_answer_to(path);
    }
    bool reads_answer_to(const std::string& path) const {
        const std::string wanted = answer_to(path);
        return receive(wanted.size()) == wanted;
    }
    bool has_ended() const { return receive(1).empty(); }

    int fd() const { return socket_.get(); }

private:
    UniqueFd socket_;
};

class HttpServerTest : public testing::Test {
protected:
    HttpServerTest() : path_(testing::TempDir() + "server." + std::to_string(::getpid())) {}
    ~HttpServerTest() override {
        stop();
        ::unlink(path_.c_str());
    }

    void listen() { socket_ = listen_at(path_.c_str()).value(); }

    // From here on a thread serves.
    void start() {
        thread_ = std::thread([this] {
            HttpServer server(std::move(socket_), kMostBody);
            const Result<> ended = server.serve(
                stop_.fd(), {.answer =
                                 [this](const HttpRequest& request) {
                                     ++asked_;
                                     return HttpResponse{.status = 200,
                                                         .body = std::string(request.path)};
                                 },
                             .due_ns = [this] { return due_ns_.load(); },
                             .on_due = [this](uint64_t now_ns) { on_due(now_ns); }});
            EXPECT_TRUE(ended.ok());
        });
    }
    void stop() {
        stop_.signal();
        if (thread_.joinable()) thread_.join();
    }

    Client client() const { return Client::at(path_); }

    void on_due(uint64_t now_ns) {
        EXPECT_GE(now_ns, due_ns_.load());
        ++dues_;
        due_ns_ = std::numeric_limits<uint64_t>::max();
    }

    std::string path_;
    UniqueFd socket_;
    EventFd stop_ = EventFd::create().value();
    std::thread thread_;
    std::atomic<int> asked_ = 0;
    std::atomic<uint64_t> due_ns_ = std::numeric_limits<uint64_t>::max();
    std::atomic<int> dues_ = 0;
};

TEST_F(HttpServerTest, ServesClientsSideBySide) {
    listen();
    start();
    const Client one = client();
    const Client other = client();
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(one.is_answered("/one"));
        EXPECT_TRUE(other.is_answered("/other"));
    }
    // One that is in the middle of its request holds nobody up.
    ASSERT_TRUE(one.send("PUT /one HTTP/1.1\r\nContent-Length: 3\r\n\r\n12"));
    EXPECT_TRUE(other.is_answered("/other"));
    ASSERT_TRUE(one.send("3"));
    EXPECT_TRUE(one.reads_answer_to("/one"));
    stop();
    EXPECT_TRUE(one.has_ended());
}

TEST_F(HttpServerTest, ACrowdOfIdleClientsKeepsNobodyOut) {
    listen();
    start();
    std::vector<Client> crowd;
    for (int i = 0; i < 200; ++i) crowd.push_back(client());
    const Client late = client();
    EXPECT_TRUE(late.is_answered("/late"));
    EXPECT_TRUE(crowd.front().has_ended());
    // The last of them are still there.
    EXPECT_TRUE(crowd.back().is_answered("/crowd"));
}

TEST_F(HttpServerTest, TheOneThatHasSaidNothingForLongestGoes) {
    listen();
    start();
    std::vector<Client> clients;
    for (size_t i = 0; i < HttpServer::kMostClients; ++i) {
        clients.push_back(client());
        ASSERT_TRUE(clients.back().is_answered("/first"));
    }
    ASSERT_TRUE(clients[0].is_answered("/again"));
    const Client more = client();
    EXPECT_TRUE(more.is_answered("/more"));
    EXPECT_TRUE(clients[1].has_ended());
    EXPECT_TRUE(clients[0].is_answered("/still"));
    EXPECT_TRUE(clients[2].is_answered("/still"));
}

// A client that has just come has not been idle: it does not go before one that has.
TEST_F(HttpServerTest, ANewClientIsNotTheIdlest) {
    listen();
    start();
    std::vector<Client> clients;
    for (size_t i = 0; i < HttpServer::kMostClients; ++i) {
        clients.push_back(client());
        ASSERT_TRUE(clients.back().is_answered("/first"));
    }
    const Client silent = client();
    const Client more = client();
    EXPECT_TRUE(more.is_answered("/more"));
    EXPECT_TRUE(silent.is_answered("/silent"));
    EXPECT_TRUE(clients[0].has_ended());
    EXPECT_TRUE(clients[1].has_ended());
    EXPECT_TRUE(clients[2].is_answered("/still"));
}

TEST_F(HttpServerTest, AllThatAskAtOnceAreAnswered) {
    listen();
    std::vector<Client> clients;
    for (int i = 0; i < 300; ++i) {
        clients.push_back(client());
        ASSERT_TRUE(clients.back().send(get("/" + std::to_string(i))));
    }
    start();
    for (size_t i = 0; i < clients.size(); ++i)
        ASSERT_TRUE(clients[i].reads_answer_to("/" + std::to_string(i))) << i;
}

TEST_F(HttpServerTest, AClientThatNeverReadsHoldsNobodyUp) {
    listen();
    start();
    const Client deaf = client();
    std::string many;
    for (int i = 0; i < 100; ++i) many += get("/deaf");
    while (::send(deaf.fd(), many.data(), many.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        std::this_thread::yield();
    const Client other = client();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(other.is_answered("/other"));
}

TEST_F(HttpServerTest, AClientThatLeavesWithoutReadingHarmsNobody) {
    listen();
    start();
    for (int i = 0; i < 50; ++i) {
        const Client hasty = client();
        ASSERT_TRUE(hasty.send(get("/hasty") + get("/hasty") + "half"));
    }
    EXPECT_TRUE(client().is_answered("/other"));
}

TEST_F(HttpServerTest, GarbageEndsItsClientAlone) {
    listen();
    start();
    const Client other = client();
    ASSERT_TRUE(other.is_answered("/other"));
    const Client bad = client();
    ASSERT_TRUE(bad.send("\x16\x03\x01\x02\r\n\r\n" + std::string(10'000, 'x')));
    const std::string said = bad.receive(10'000);  // to the end
    EXPECT_EQ(said.substr(0, 13), "HTTP/1.1 400 ");
    EXPECT_EQ(said.substr(said.size() - 2), "\"}");
    EXPECT_TRUE(other.is_answered("/other"));
}

// --- The only client ----------------------------------------------------------------------------

TEST_F(HttpServerTest, ServesAnOnlyClient) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    socket_ = UniqueFd(ends[0]);
    const Client only{UniqueFd(ends[1])};
    start();
    EXPECT_TRUE(only.is_answered("/a"));
    EXPECT_TRUE(only.is_answered("/b"));
}

// --- What else is to be done --------------------------------------------------------------------

TEST_F(HttpServerTest, DoesInTimeWhatIsDue) {
    listen();
    due_ns_ = monotonic_ns() + 20'000'000;
    start();
    while (dues_ == 0) std::this_thread::yield();
    EXPECT_TRUE(client().is_answered("/a"));
    EXPECT_EQ(dues_, 1);
}

TEST_F(HttpServerTest, DoesWhatIsDueBetweenRequests) {
    listen();
    start();
    const Client busy = client();
    ASSERT_TRUE(busy.is_answered("/a"));
    due_ns_ = 0;
    ASSERT_TRUE(busy.is_answered("/b"));
    ASSERT_TRUE(busy.is_answered("/c"));
    EXPECT_EQ(dues_, 1);
}

TEST_F(HttpServerTest, StopsWhileClientsAreThere) {
    listen();
    start();
    const Client idle = client();
    const Client half = client();
    ASSERT_TRUE(half.send("GET / HT"));
    stop();
    EXPECT_TRUE(idle.has_ended());
}

}  // namespace
