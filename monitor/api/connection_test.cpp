#include "monitor/api/connection.hpp"

#include <sys/socket.h>

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

constexpr size_t kMostBody = 64;

const std::string kPut = "PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
const std::string kChunkedHead = "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string kChunked = kChunkedHead + "1\r\nb\r\n3\r\nody\r\n0\r\n\r\n";
const char* const kTooMuch = "is more than this API takes; see --http-api-max-payload-size";
const std::string kGet = "GET /b HTTP/1.1\r\n\r\n";

// The response to a request for `path` with `body`, as the handler below gives it.
std::string answer_to(std::string_view path, std::string_view body = {}) {
    const std::string said = std::string(path).append("=").append(body);
    return format_http_response({.status = 200, .body = said, .content_type = "text/plain"}, true);
}

std::string chunk_fault(const char* why) {
    return format_http_response(http_fault(std::string("chunked body: ") + why), false);
}

std::string repeated(const std::string& text, size_t times) {
    std::string all;
    for (size_t i = 0; i < times; ++i) all += text;
    return all;
}

// A connection and its client, in turns on one thread.
class HttpConnectionTest : public testing::Test {
protected:
    HttpConnectionTest() { connect(); }

    void connect() {
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        client_ = UniqueFd(ends[0]);
        connection_.emplace(UniqueFd(ends[1]), kMostBody, turn_);
        asked_.clear();
    }

    // What a server does with it, until there is nothing to do.
    void serve() {
        const HttpHandler handler = [this](const HttpRequest& request) {
            asked_.emplace_back(request.path);
            return HttpResponse{.status = 200,
                                .body = std::string(request.path).append("=").append(request.body),
                                .content_type = "text/plain"};
        };
        pollfd event{connection_->fd(), connection_->events(), 0};
        while (!connection_->is_over() && ::poll(&event, 1, 0) > 0) {
            connection_->on_ready(handler, ++turn_);
            event.events = connection_->events();
        }
    }

    void send(std::string_view text) const {
        ASSERT_EQ(::send(client_.get(), text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }

    // All that has come by now; and whether that is all there will be.
    std::string receive() {
        std::string text;
        std::array<char, 4096> piece{};
        ssize_t size = 0;
        while ((size = ::recv(client_.get(), piece.data(), piece.size(), MSG_DONTWAIT)) > 0)
            text.append(piece.data(), static_cast<size_t>(size));
        has_ended_ = size == 0;
        return text;
    }

    // What comes of `text`, sent at once.
    std::string talk(std::string_view text) {
        send(text);
        serve();
        return receive();
    }

    UniqueFd client_;
    std::optional<HttpConnection> connection_;
    std::vector<std::string> asked_;
    uint64_t turn_ = 0;
    bool has_ended_ = false;
};

TEST_F(HttpConnectionTest, AnswersAndGoesOn) {
    EXPECT_EQ(talk(kPut), answer_to("/a", "body"));
    EXPECT_EQ(talk(kGet), answer_to("/b"));
    EXPECT_EQ(talk(kPut), answer_to("/a", "body"));
    EXPECT_FALSE(has_ended_);
    EXPECT_FALSE(connection_->is_over());
    EXPECT_EQ(connection_->last_turn(), turn_);
}

TEST_F(HttpConnectionTest, TakesARequestByteByByte) {
    for (int round = 0; round < 2; ++round) {
        for (size_t i = 0; i + 1 < kPut.size(); ++i)
            ASSERT_EQ(talk(std::string_view(kPut).substr(i, 1)), "") << i;
        EXPECT_EQ(talk(kPut.substr(kPut.size() - 1)), answer_to("/a", "body"));
    }
    EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(HttpConnectionTest, AnswersRequestsThatComeTogetherInTheirOrder) {
    EXPECT_EQ(talk(kPut + kGet + "\r\n" + kGet + kPut.substr(0, kPut.size() - 1)),
              answer_to("/a", "body") + answer_to("/b") + answer_to("/b"));
    EXPECT_EQ(talk(kPut.substr(kPut.size() - 1)), answer_to("/a", "body"));
}

// Wherever a stream of requests is cut, the answers are the same.
TEST_F(HttpConnectionTest, ItMattersNotWhereAStreamIsCut) {
    const std::string stream = kPut + kGet + kPut;
    const std::string answers = answer_to("/a", "body") + answer_to("/b") + answer_to("/a", "body");
    for (size_t cut = 1; cut < stream.size(); ++cut) {
        const std::string first = talk(stream.substr(0, cut));
        EXPECT_EQ(first + talk(stream.substr(cut)), answers) << cut;
    }
}

TEST_F(HttpConnectionTest, AnswersMoreThanItReadsAtOnce) {
    constexpr size_t kTimes = 1000;
    EXPECT_EQ(talk(repeated(kGet, kTimes)), repeated(answer_to("/b"), kTimes));
    EXPECT_EQ(asked_.size(), kTimes);
}

// --- Expect -------------------------------------------------------------------------------------

TEST_F(HttpConnectionTest, TellsAClientOnceToSendItsBody) {
    EXPECT_EQ(talk("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
              kHttpContinue);
    EXPECT_EQ(talk("bo"), "");
    EXPECT_EQ(talk("dy"), answer_to("/a", "body"));
}

TEST_F(HttpConnectionTest, TellsNoClientToSendABodyThatIsThereOrIsNone) {
    EXPECT_EQ(talk("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody"),
              answer_to("/a", "body"));
    EXPECT_EQ(talk("GET /b HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"), answer_to("/b"));
}

TEST_F(HttpConnectionTest, TellsNoClientToSendABodyThatIsTooLarge) {
    const std::string said =
        talk("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 65\r\n\r\n");
    EXPECT_EQ(said.substr(0, 13), "HTTP/1.1 400 ");
    EXPECT_TRUE(has_ended_);
}

// --- Ends ---------------------------------------------------------------------------------------

TEST_F(HttpConnectionTest, TakesTheLargestBodyAndNoLarger) {
    const std::string body(kMostBody, 'x');
    EXPECT_EQ(talk("PUT /a HTTP/1.1\r\nContent-Length: 64\r\n\r\n" + body), answer_to("/a", body));
    const std::string said = talk("PUT /a HTTP/1.1\r\nContent-Length: 65\r\n\r\n" + body + 'x');
    EXPECT_EQ(said,
              format_http_response(http_fault("Content-Length: is more than this API takes; see "
                                              "--http-api-max-payload-size"),
                                   false));
    EXPECT_TRUE(has_ended_);
    EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(HttpConnectionTest, TakesNoLengthThatWrapsAround) {
    const std::string said =
        talk("PUT /a HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nbody");
    EXPECT_EQ(said.substr(0, 13), "HTTP/1.1 400 ");
    EXPECT_TRUE(has_ended_);
    EXPECT_TRUE(asked_.empty());
}

TEST_F(HttpConnectionTest, AnswersWhatWasGoodBeforeGarbageAndNothingAfterIt) {
    const std::string said = talk(kGet + "G@RBAGE\r\n\r\n" + kGet);
    EXPECT_EQ(said, answer_to("/b") +
                        format_http_response(
                            http_fault("request line: is not METHOD PATH HTTP/1.1"), false));
    EXPECT_TRUE(has_ended_);
    EXPECT_EQ(talk(kGet), "");
    EXPECT_EQ(asked_.size(), 1U);
    EXPECT_FALSE(connection_->is_over());  // until the client has seen it
    client_ = UniqueFd();
    serve();
    EXPECT_TRUE(connection_->is_over());
}

// A socket that is closed with unread bytes in it takes what was sent away from the client.
TEST_F(HttpConnectionTest, TheErrorCanBeReadHoweverMuchFollowsIt) {
    for (int i = 0; i < 100; ++i) {
        send(std::string(4096, 'x'));
        serve();
    }
    EXPECT_EQ(receive().substr(0, 13), "HTTP/1.1 400 ");
    EXPECT_TRUE(has_ended_);
}

TEST_F(HttpConnectionTest, AClientThatWantsNoMoreIsAnsweredAndTold) {
    const std::string last = "GET /b HTTP/1.1\r\nConnection: close\r\n\r\n";
    const std::string said = talk(last + kGet);
    EXPECT_NE(said.find("\r\nConnection: close\r\n"), std::string::npos);
    EXPECT_TRUE(has_ended_);
    EXPECT_EQ(asked_.size(), 1U);
}

// A library that sends it has one connection for all.
TEST_F(HttpConnectionTest, KeepsAClientOfHttp10) {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(talk("GET /b HTTP/1.0\r\n\r\n"), answer_to("/b"));
    EXPECT_FALSE(has_ended_);
    talk("GET /b HTTP/1.0\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(has_ended_);
}

// --- Chunks -------------------------------------------------------------------------------------

TEST_F(HttpConnectionTest, PutsABodyOfChunksTogether) {
    EXPECT_EQ(talk(kChunked + kGet), answer_to("/a", "body") + answer_to("/b"));
    EXPECT_EQ(talk("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              answer_to("/a"));
    EXPECT_EQ(talk(kChunkedHead + "0004;a=\"b\"\r\nbody\r\n000 ;x\r\nA: b\r\nC:\r\n\r\n"),
              answer_to("/a", "body"));
}

TEST_F(HttpConnectionTest, ItMattersNotWhereAStreamOfChunksIsCut) {
    const std::string stream = kChunked + kPut + kChunked;
    const std::string answers = repeated(answer_to("/a", "body"), 3);
    for (size_t cut = 1; cut < stream.size(); ++cut) {
        const std::string first = talk(stream.substr(0, cut));
        EXPECT_EQ(first + talk(stream.substr(cut)), answers) << cut;
    }
}

TEST_F(HttpConnectionTest, TellsAClientToSendItsChunks) {
    const std::string head =
        "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(talk(head), kHttpContinue);
    EXPECT_EQ(talk("4\r\nbody\r\n0\r\n\r\n"), answer_to("/a", "body"));
}

TEST_F(HttpConnectionTest, TakesAsMuchInChunksAsAtOnce) {
    std::string chunks;
    for (size_t i = 0; i < kMostBody; ++i) chunks += "1\r\nx\r\n";
    const std::string end = "0\r\n\r\n";
    EXPECT_EQ(talk(kChunkedHead + chunks + end), answer_to("/a", std::string(kMostBody, 'x')));
    EXPECT_EQ(talk(kChunkedHead + chunks + "1\r\nx\r\n" + end), chunk_fault(kTooMuch));
    EXPECT_TRUE(has_ended_);
    connect();
    EXPECT_EQ(talk(kChunkedHead + "41\r\n"), chunk_fault(kTooMuch));
    connect();
    EXPECT_EQ(talk(kChunkedHead + "1\r\nx\r\nffffffffffffffff\r\n"), chunk_fault(kTooMuch));
}

TEST_F(HttpConnectionTest, TakesNoMoreThanALittleBesideTheData) {
    const std::string much(ChunkedBody::kMostExtraBytes, 'x');
    EXPECT_EQ(talk(kChunkedHead + "4;" + much), chunk_fault("has a line that is too long"));
    std::string extensions;
    for (int i = 0; i < 40; ++i) extensions += "1;" + much.substr(0, 250) + "\r\nx\r\n";
    const char* const why = "has more than 8192 bytes of extensions and trailers";
    connect();
    EXPECT_EQ(talk(kChunkedHead + extensions), chunk_fault(why));
    std::string trailers;
    for (int i = 0; i < 40; ++i) trailers += "A: " + much.substr(0, 250) + "\r\n";
    connect();
    EXPECT_EQ(talk(kChunkedHead + "0\r\n" + trailers), chunk_fault(why));
    EXPECT_TRUE(asked_.empty());
}

TEST_F(HttpConnectionTest, RefusesChunksThatCouldBeReadInTwoWays) {
    for (const std::string_view chunks : {"",
                                          "-1",
                                          "+1",
                                          "0x1",
                                          "g",
                                          "1g",
                                          " 1",
                                          "1 ",
                                          "1 x",
                                          "1\t2",
                                          "10000000000000000",
                                          ";a",
                                          "4\nbody",
                                          "4;a\nb",
                                          "4;a\rb",
                                          "3\r\nbody",
                                          "4\r\nbody\n0",
                                          "4\r\nbody0",
                                          "0\r\nno colon",
                                          "0\r\n folded: 1",
                                          "0\r\nA : b",
                                          "0\r\nA: \x01"}) {
        connect();
        const std::string said = talk(kChunkedHead + std::string(chunks) + "\r\n\r\n" + kGet);
        EXPECT_EQ(said.substr(0, 13), "HTTP/1.1 400 ") << chunks;
        EXPECT_TRUE(has_ended_) << chunks;
        EXPECT_TRUE(asked_.empty()) << chunks;
    }
}

TEST_F(HttpConnectionTest, AClientThatHasSentAllIsAnswered) {
    send(kPut + kGet);
    ::shutdown(client_.get(), SHUT_WR);
    serve();
    EXPECT_EQ(receive(), answer_to("/a", "body") + answer_to("/b"));
    EXPECT_TRUE(connection_->is_over());
}

TEST_F(HttpConnectionTest, AClientMayLeaveAtEveryByte) {
    const std::string stream = kPut + kGet;
    for (size_t size = 0; size <= stream.size(); ++size) {
        for (const bool serves_before : {false, true}) {
            connect();
            send(stream.substr(0, size));
            if (serves_before) serve();
            client_ = UniqueFd();
            serve();
            EXPECT_TRUE(connection_->is_over()) << size;
            // Without that, an answer may have failed before the next request was looked at.
            const size_t complete = size == stream.size() ? 2U : size >= kPut.size() ? 1U : 0U;
            if (serves_before) {
                EXPECT_EQ(asked_.size(), complete) << size;
            }
            EXPECT_LE(asked_.size(), complete) << size;
        }
    }
}

// --- Slow readers -------------------------------------------------------------------------------

TEST_F(HttpConnectionTest, AClientThatDoesNotReadIsNotReadFrom) {
    const std::string many = repeated(kGet, 200);
    const auto send_some = [&] {
        const ssize_t size =
            ::send(client_.get(), many.data(), many.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return size > 0 ? static_cast<size_t>(size) : size_t{0};
    };
    size_t sent = 0;
    while (connection_->events() == POLLIN) {
        sent += send_some();
        serve();
        ASSERT_LT(sent, size_t{64} << 20) << "it takes all there is";
    }
    const size_t before = asked_.size();
    size_t last = many.size();
    while (last == many.size()) {
        sent += last = send_some();
        serve();
        ASSERT_LT(sent, size_t{64} << 20) << "it takes all there is";
    }
    EXPECT_EQ(asked_.size(), before);
    std::string answers;
    for (std::string more = receive(); !more.empty(); more = receive()) {
        answers += more;
        serve();
    }
    EXPECT_EQ(connection_->events(), POLLIN);
    EXPECT_EQ(asked_.size(), sent / kGet.size());
    EXPECT_EQ(answers, repeated(answer_to("/b"), asked_.size()));
}

TEST_F(HttpConnectionTest, AClientThatLeavesWithoutReadingIsOver) {
    const std::string many = repeated(kGet, 200);
    while (connection_->events() == POLLIN) {
        send(many);
        serve();
    }
    client_ = UniqueFd();
    serve();
    EXPECT_TRUE(connection_->is_over());
}

// --- Faults -------------------------------------------------------------------------------------

TEST(HttpFault, IsJsonWhateverItSays) {
    EXPECT_EQ(http_fault("plain").body, "{\"fault_message\": \"plain\"}");
    EXPECT_EQ(http_fault("a\"b\\c\n\x7f").body,
              "{\"fault_message\": \"a\\\"b\\\\c\\u000a\\u007f\"}");
    // What is no UTF-8, or was cut off, would be no JSON.
    EXPECT_EQ(http_fault("\u00fc \u20ac \xc3").body, "{\"fault_message\": \"\u00fc \u20ac ?\"}");
    EXPECT_EQ(http_fault("\xff\xc3 \xe2\x82").body, "{\"fault_message\": \"?? ??\"}");
    // Half a pair of surrogates, a slash written too long, and what lies past U+10FFFF.
    EXPECT_EQ(http_fault("\xed\xb6\x8b").body, "{\"fault_message\": \"???\"}");
    EXPECT_EQ(http_fault("\xe0\x80\xaf").body, "{\"fault_message\": \"???\"}");
    EXPECT_EQ(http_fault("\xf4\x90\x80\x80").body, "{\"fault_message\": \"????\"}");
    EXPECT_EQ(http_fault("\xed\x9f\xbf\xf4\x8f\xbf\xbf").body,
              "{\"fault_message\": \"\xed\x9f\xbf\xf4\x8f\xbf\xbf\"}");
    EXPECT_EQ(http_fault("").status, 400);
}

}  // namespace
