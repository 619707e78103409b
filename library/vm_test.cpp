// A VM against the monitor's side of it, which fake_monitor plays as each test tells it to.
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "library/mayfly.h"

namespace {

constexpr int kLimitMs = 30'000;  // generous: a slow machine is no failure, a hang is

const std::string kReady = R"(["ready", "api\n"])";
const std::string kServe = kReady + R"(, ["serve"])";
const std::string kYes = R"(["request"], ["answer", "HTTP/1.1 204 No Content\r\n\r\n"])";

mayfly_options default_options() {
    return {.size = sizeof(mayfly_options), .program = FAKE_MONITOR};
}

size_t open_descriptors() {
    using Files = std::filesystem::directory_iterator;
    return static_cast<size_t>(std::distance(Files("/proc/self/fd"), Files()));
}

class Vm {
public:
    explicit Vm(const std::string& steps, const mayfly_options& options = default_options()) {
        const std::string config = "{\"fake\": [" + steps + "]}";
        EXPECT_EQ(mayfly_create(config.c_str(), &options, &vm_), 0)
            << mayfly_error_message(nullptr);
    }
    Vm(const Vm&) = delete;
    Vm& operator=(const Vm&) = delete;
    ~Vm() { mayfly_destroy(vm_); }

    operator mayfly*() const { return vm_; }

    mayfly_event next() {
        mayfly_event event{};
        EXPECT_EQ(mayfly_wait_event(vm_, &event, kLimitMs), 1);
        return event;
    }
    void expect_next(mayfly_event_type type) { EXPECT_EQ(next().type, uint32_t{type}); }
    void expect_failed(mayfly_event_type awaited, std::string_view message) {
        const mayfly_event event = next();
        ASSERT_EQ(event.type, uint32_t{MAYFLY_FAILED});
        EXPECT_EQ(event.awaited, uint32_t{awaited});
        EXPECT_EQ(std::string_view(event.message), message);
        EXPECT_EQ(std::string_view(mayfly_error_message(vm_)), message);
    }
    void expect_exited(int status, int signal = 0) {
        const mayfly_event event = next();
        ASSERT_EQ(event.type, uint32_t{MAYFLY_EXITED});
        EXPECT_EQ(event.status, status);
        EXPECT_EQ(event.signal, signal);
        EXPECT_FALSE(is_readable(mayfly_fd(vm_)));
    }
    static bool is_readable(int fd) {
        pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
        return ::poll(&polled, 1, 0) > 0;
    }

    // All that it writes on its serial line, up to the end.
    std::string output() const {
        std::string all;
        std::array<char, 4096> bytes{};
        pollfd polled{.fd = mayfly_serial_out(vm_), .events = POLLIN, .revents = 0};
        while (::poll(&polled, 1, kLimitMs) > 0) {
            const ssize_t got = ::read(polled.fd, bytes.data(), bytes.size());
            if (got <= 0) break;
            all.append(bytes.data(), static_cast<size_t>(got));
        }
        return all;
    }

private:
    mayfly* vm_ = nullptr;
};

TEST(Vm, TellsWhatHappens) {
    Vm vm(kReady + ", " + kYes + R"(, ["ready", "guest\n"], )" + kYes + ", " + kYes +
          R"(, ["exit", 7])");
    EXPECT_EQ(mayfly_start(vm), 0);
    vm.expect_next(MAYFLY_READY);
    vm.expect_next(MAYFLY_STARTED);
    vm.expect_next(MAYFLY_BOOTED);
    EXPECT_EQ(mayfly_pause(vm), 0);
    vm.expect_next(MAYFLY_PAUSED);
    EXPECT_EQ(mayfly_resume(vm), 0);
    vm.expect_next(MAYFLY_RESUMED);
    vm.expect_exited(7);
    EXPECT_EQ(vm.output(),
              "PUT /actions {\"action_type\":\"InstanceStart\"}\nPATCH /vm {\"state\":\"Paused\"}\n"
              "PATCH /vm {\"state\":\"Resumed\"}\n");
    mayfly_event event{};
    EXPECT_EQ(mayfly_next_event(vm, &event), 0);
    EXPECT_EQ(mayfly_wait_event(vm, &event, -1), -ESRCH);
    EXPECT_EQ(mayfly_wait(vm, -1), 7);
    EXPECT_EQ(mayfly_start(vm), -ESRCH);
    EXPECT_EQ(mayfly_stop(vm, 100), -ESRCH);
}

TEST(Vm, NeedsNobodyToListenInOrderToStart) {
    const Vm vm(kReady + ", " + kYes + R"(, ["print", "runs"], ["exit", 0])");
    EXPECT_EQ(mayfly_start(vm), 0);
    EXPECT_EQ(vm.output(), "PUT /actions {\"action_type\":\"InstanceStart\"}\nruns");
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), 0);
}

TEST(Vm, CarriesRequestsOutInOrder) {
    Vm vm(R"(["sleep", 0.1], )" + kServe);
    EXPECT_EQ(mayfly_start(vm), 0);
    for (int i = 0; i < 7; ++i) EXPECT_EQ(mayfly_pause(vm) + mayfly_resume(vm), 0);
    EXPECT_EQ(mayfly_pause(vm), 0);
    EXPECT_EQ(mayfly_pause(vm), -EBUSY);
    vm.expect_next(MAYFLY_READY);
    vm.expect_next(MAYFLY_STARTED);
    for (int i = 0; i < 7; ++i) {
        vm.expect_next(MAYFLY_PAUSED);
        vm.expect_next(MAYFLY_RESUMED);
    }
    vm.expect_next(MAYFLY_PAUSED);
}

TEST(Vm, SaysWhyARequestFailed) {
    Vm vm(kReady +
          R"(, ["request"], ["answer", "HTTP/1.1 400 Bad Request\r\nContent-Length: 38\r\n\r\n"],
        ["answer", "{\"fault_message\":\"no \\u001b[1mkernel\"}"],
        ["request"], ["answer", "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}"], ["serve"])");
    mayfly_start(vm);
    mayfly_pause(vm);
    mayfly_resume(vm);
    vm.expect_next(MAYFLY_READY);
    vm.expect_failed(MAYFLY_STARTED, "no ?[1mkernel");
    vm.expect_failed(MAYFLY_PAUSED, "HTTP status 500");
    vm.expect_next(MAYFLY_RESUMED);
    mayfly_start(vm);
    EXPECT_EQ(mayfly_wait(vm, 0), -ETIMEDOUT);
}

TEST(Vm, WaitDoesNotOutlastAFailure) {
    const Vm vm(
        kReady +
        R"(, ["request"], ["answer", "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"], ["serve"])");
    mayfly_start(vm);
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), -EIO);
    EXPECT_STREQ(mayfly_error_message(vm), "HTTP status 400");
}

TEST(Vm, SaysWhatIsWrongWithTheConfiguration) {
    const std::string steps =
        R"(["say", "mayfly: machine-config.vcpu_count 99: at most 32\n"], ["exit", 152])";
    Vm vm(steps);
    mayfly_start(vm);
    const char* const line = "mayfly: machine-config.vcpu_count 99: at most 32";
    EXPECT_STREQ(vm.next().message, line);
    vm.expect_failed(MAYFLY_READY, line);
    vm.expect_failed(MAYFLY_STARTED, line);
    vm.expect_exited(152);
    const Vm other(steps);
    EXPECT_EQ(mayfly_wait(other, kLimitMs), 152);
    EXPECT_STREQ(mayfly_error_message(other), line);
}

TEST(Vm, GivesTheLastLineWithTheEnd) {
    Vm vm(kReady + R"(, ["say", "one\ntwo"], ["exit", 1])");
    vm.expect_next(MAYFLY_READY);
    EXPECT_STREQ(vm.next().message, "one");
    EXPECT_STREQ(vm.next().message, "two");
    const mayfly_event event = vm.next();
    EXPECT_EQ(event.type, uint32_t{MAYFLY_EXITED});
    EXPECT_STREQ(event.message, "two");
}

TEST(Vm, WhoseEndOvertakesTheAnswerHasStarted) {
    Vm quiet(kReady + R"(, ["request"], ["exit", 3])");
    mayfly_start(quiet);
    quiet.expect_next(MAYFLY_READY);
    quiet.expect_next(MAYFLY_STARTED);
    quiet.expect_exited(3);
    Vm booted(kReady + R"(, ["request"], ["ready", "guest\n"], ["say", "crash\n"], ["exit", 1])");
    mayfly_start(booted);
    booted.expect_next(MAYFLY_READY);
    booted.expect_next(MAYFLY_SAID);
    booted.expect_next(MAYFLY_STARTED);
    booted.expect_next(MAYFLY_BOOTED);
    booted.expect_exited(1);
}

TEST(Vm, ThatIsKilledSaysSo) {
    Vm vm(kServe);
    vm.expect_next(MAYFLY_READY);
    mayfly_start(vm);
    vm.expect_next(MAYFLY_STARTED);
    ::kill(mayfly_pid(vm), SIGKILL);
    vm.expect_exited(128 + SIGKILL, SIGKILL);
    EXPECT_STREQ(mayfly_error_message(vm), "signal 9 ended the VM's process");
}

TEST(Vm, StopsWhenAskedTo) {
    const Vm vm(kServe);
    EXPECT_EQ(mayfly_stop(vm, 60'000), 0);
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), 128 + SIGTERM);
    const Vm at_once(kServe);
    EXPECT_EQ(mayfly_stop(at_once, 0), 0);
    EXPECT_EQ(mayfly_wait(at_once, kLimitMs), 128 + SIGKILL);
}

TEST(Vm, StopsAfterTheGrace) {
    Vm vm(R"(["deaf"], )" + kServe);
    vm.expect_next(MAYFLY_READY);
    EXPECT_EQ(mayfly_stop(vm, 100), 0);
    vm.expect_exited(128 + SIGKILL, SIGKILL);
}

TEST(Vm, HasASerialLine) {
    const Vm vm(kReady + R"(, ["echo"], ["exit", 0])");
    EXPECT_EQ(::send(mayfly_serial_in(vm), "hello", 5, MSG_NOSIGNAL), 5);
    EXPECT_EQ(::shutdown(mayfly_serial_in(vm), SHUT_WR), 0);
    EXPECT_EQ(vm.output(), "hello");
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), 0);
}

TEST(Vm, KeepsOutputPastTheEnd) {
    const Vm vm(kReady + R"(, ["print", "x", 60000], ["exit", 0])");
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), 0);
    EXPECT_EQ(vm.output().size(), 60'000u);
}

TEST(Vm, UsesTheCallersDescriptors) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    mayfly_options options = default_options();
    options.flags = MAYFLY_SERIAL_GIVEN;
    options.serial_in = ends[0];
    options.serial_out = ends[1];
    const Vm vm(kReady + R"(, ["print", "there"], ["exit", 0])", options);
    EXPECT_EQ(mayfly_serial_in(vm), -1);
    EXPECT_EQ(mayfly_serial_out(vm), -1);
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), 0);
    std::array<char, 6> text{};
    EXPECT_EQ(::read(ends[0], text.data(), text.size()), 5);
    EXPECT_STREQ(text.data(), "there");
    ::close(ends[0]);
    ::close(ends[1]);
}

// The caller's own state: blocked and ignored signals, a descriptor that is not close-on-exec.
TEST(Vm, InheritsNothingElse) {
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const int inheritable = ::dup(STDERR_FILENO);
    const std::array<const char*, 3> more{"--level", "Debug", nullptr};
    mayfly_options options = default_options();
    options.id = "some-id";
    options.arguments = more.data();
    const Vm vm(R"(["show"], ["exit", 0])", options);
    EXPECT_EQ(vm.output(),
              "arguments --jail --id some-id --config-file /proc/self/fd/3 --hold --api-fd 4 "
              "--ready-fd 5 "
              "--level Debug\n"
              "descriptors 0 1 2 3 4 5\nenvironment\nblocked 0\ngroup own\n");
    options.flags = MAYFLY_NO_JAIL;
    const Vm unjailed(R"(["show"], ["exit", 0])", options);
    EXPECT_EQ(unjailed.output().find("--jail"), std::string::npos);
    ::close(inheritable);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(Vm, LeavesNothingBehind) {
    const size_t before = open_descriptors();
    {
        const Vm running(kServe);
        const Vm ended(R"(["exit", 0])");
        EXPECT_EQ(mayfly_wait(ended, kLimitMs), 0);
        const Vm stopping(kServe);
        EXPECT_EQ(mayfly_stop(stopping, 10'000), 0);
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST(Vm, LeavesOtherChildrenAlone) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(5);
    const Vm vm(R"(["exit", 0])");
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), 0);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST(Vm, SaysWhenSomebodyElseHasReapedIt) {
    const Vm vm(R"(["exit", 4])");
    EXPECT_EQ(::waitpid(mayfly_pid(vm), nullptr, 0), mayfly_pid(vm));
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), -ECHILD);
    EXPECT_STREQ(mayfly_error_message(vm), "somebody else has reaped the VM's process");
}

TEST(Vm, EndsAlsoWhereSigchldIsIgnored) {
    struct sigaction ignored {};
    struct sigaction before {};
    ignored.sa_handler = SIG_IGN;
    ::sigaction(SIGCHLD, &ignored, &before);
    const Vm vm(kReady + R"(, ["request"], ["exit", 4])");
    mayfly_start(vm);
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), -ECHILD);
    { const Vm running(kServe); }
    ::sigaction(SIGCHLD, &before, nullptr);
}

TEST(Create, SaysWhyItFailed) {
    const size_t before = open_descriptors();
    mayfly* vm = nullptr;
    mayfly_options options{.size = sizeof(options), .program = "/nowhere/mayfly"};
    EXPECT_EQ(mayfly_create("{}", &options, &vm), -ENOENT);
    EXPECT_EQ(vm, nullptr);
    EXPECT_STREQ(mayfly_error_message(nullptr), "/nowhere/mayfly: No such file or directory");
    options.program = "/dev/null";
    EXPECT_EQ(mayfly_create("{}", &options, &vm), -EACCES);
    options.program = FAKE_MONITOR;
    options.flags = 1u << 31;
    EXPECT_EQ(mayfly_create("{}", &options, &vm), -EINVAL);
    options.flags = MAYFLY_SERIAL_GIVEN;
    options.serial_in = -1;
    EXPECT_EQ(mayfly_create("{}", &options, &vm), -EINVAL);
    EXPECT_EQ(mayfly_create(nullptr, nullptr, &vm), -EINVAL);
    EXPECT_EQ(open_descriptors(), before);
    mayfly_destroy(nullptr);
}

// Each step that makes a descriptor fails once, the pidfd's after the process has been made.
TEST(Create, LeavesNothingBehindWhenDescriptorsRunOut) {
    const size_t before = open_descriptors();
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    rlimit lower = limit;
    mayfly* vm = nullptr;
    int failures = 0;
    // What lists the descriptors had one of its own.
    for (lower.rlim_cur = before - 1; failures < 100; ++lower.rlim_cur) {
        const mayfly_options options = default_options();
        ::setrlimit(RLIMIT_NOFILE, &lower);
        const int error = mayfly_create("{}", &options, &vm);
        ::setrlimit(RLIMIT_NOFILE, &limit);
        if (error == 0) break;
        EXPECT_EQ(error, -EMFILE);
        EXPECT_EQ(open_descriptors(), before);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
        ++failures;
    }
    EXPECT_GE(failures, 12);  // six of ours, of the child's, and what watches them
    mayfly_destroy(vm);
    EXPECT_EQ(open_descriptors(), before);
}

TEST(Create, KnowsOptionsBySize) {
    struct {
        mayfly_options known = default_options();
        uint64_t later = 0;
    } newer;
    newer.known.size = sizeof(newer);
    mayfly* vm = nullptr;
    EXPECT_EQ(mayfly_create(R"({"fake": []})", &newer.known, &vm), 0);
    mayfly_destroy(vm);
    newer.later = 1;
    EXPECT_EQ(mayfly_create("{}", &newer.known, &vm), -E2BIG);
    mayfly_options older = default_options();
    older.size = offsetof(mayfly_options, id);
    older.flags = ~0u;  // not looked at
    EXPECT_EQ(mayfly_create(R"({"fake": []})", &older, &vm), 0);
    mayfly_destroy(vm);
    older.size = 0;
    EXPECT_EQ(mayfly_create("{}", &older, &vm), -EINVAL);
}

// A monitor that its guest has taken over. `answer` is in JSON's notation.
void expect_no_http(const std::string& answer) {
    Vm vm(kReady + R"(, ["request"], ["answer", ")" + answer + R"("], ["sleep", 60])");
    mayfly_start(vm);
    mayfly_pause(vm);
    vm.expect_next(MAYFLY_READY);
    vm.expect_failed(MAYFLY_STARTED, "the VM's process does not speak HTTP as it should");
    vm.expect_failed(MAYFLY_PAUSED, "the VM's process does not speak HTTP as it should");
    EXPECT_EQ(mayfly_pause(vm), -EPIPE);
    EXPECT_EQ(mayfly_stop(vm, 0), 0);
    vm.expect_exited(128 + SIGKILL, SIGKILL);
}

TEST(Hostile, AnswersThatAreNoHttpEndTheRequests) {
    expect_no_http(R"(SSH-2.0-x\r\n)");
    expect_no_http(R"(HTTP/1.1 204 No\r\n\r\nmore)");
    expect_no_http(R"(HTTP/1.1 200 OK\r\n\r\n)");
}

TEST(Hostile, AnswersWithoutRequestCloseTheApi) {
    Vm vm(kReady +
          R"(, ["answer", "HTTP/1.1 204 No Content\r\n\r\n"], ["say", "done\n"], ["sleep", 60])");
    vm.expect_next(MAYFLY_READY);
    vm.expect_next(MAYFLY_SAID);
    mayfly_event event{};
    EXPECT_EQ(mayfly_next_event(vm, &event), 0);
    EXPECT_EQ(mayfly_start(vm), -EPIPE);
}

TEST(Hostile, ClosedApiFailsNewRequests) {
    Vm vm(kReady + R"(, ["close-api"], ["say", "closed\n"], ["sleep", 60])");
    vm.expect_next(MAYFLY_READY);
    vm.expect_next(MAYFLY_SAID);
    EXPECT_EQ(mayfly_start(vm), -EPIPE);
}

TEST(Hostile, FloodsAreBounded) {
    Vm vm(
        R"(["ready", "nonsense\n)" + std::string(5000, 'x') +
        R"(\napi\napi\nguest\nguest\n"], ["say", "y", 1000000], ["say", "\nend\n"], ["exit", 0])");
    // What comes by one pipe may overtake what comes by another.
    std::vector<std::string> said;
    std::vector<uint32_t> others;
    while (others.empty() || others.back() != MAYFLY_EXITED) {
        const mayfly_event event = vm.next();
        if (event.type == 0) break;  // the limit, which next() has complained of
        if (event.type == MAYFLY_SAID)
            said.emplace_back(event.message);
        else
            others.push_back(event.type);
    }
    EXPECT_EQ(said, (std::vector<std::string>{std::string(511, 'y'), "end"}));
    EXPECT_EQ(others, (std::vector<uint32_t>{MAYFLY_READY, MAYFLY_BOOTED, MAYFLY_EXITED}));
}

TEST(Hostile, WhatStandsBehindAFloodCountsAtTheEnd) {
    Vm vm(R"(["ready", ")" + std::string(60000, 'x') + R"(\napi\nguest\n"], ["exit", 0])");
    std::this_thread::sleep_for(std::chrono::seconds(1));  // it should have ended by then
    vm.expect_next(MAYFLY_READY);
    vm.expect_next(MAYFLY_BOOTED);
    vm.expect_exited(0);
}

TEST(Hostile, FloodsDoNotHoldUpAWait) {
    const Vm vm(R"(["say", "line\n", 100000000])");
    EXPECT_EQ(mayfly_wait(vm, 200), -ETIMEDOUT);
}

TEST(Hostile, WhoIsLeftBehindDoesNotHoldUpTheEnd) {
    Vm vm(R"(["leave-behind"], ["say", "last"], ["exit", 2])");
    EXPECT_STREQ(vm.next().message, "last");
    vm.expect_failed(MAYFLY_READY, "last");
    vm.expect_exited(2);
}

void run_to_end(int status) {
    const Vm vm(kReady + ", " + kYes + R"(, ["show"], ["exit", )" + std::to_string(status) + "]");
    mayfly_start(vm);
    EXPECT_EQ(mayfly_wait(vm, kLimitMs), status);
    EXPECT_NE(vm.output().find("descriptors 0 1 2 3 4 5\n"), std::string::npos);
}

void run_five(int first_status) {
    for (int i = 0; i < 5; ++i) run_to_end(first_status + i);
}

TEST(Threads, EachHaveTheirVms) {
    const size_t before = open_descriptors();
    std::array<std::thread, 4> threads;
    for (int i = 0; i < 4; ++i) threads.at(static_cast<size_t>(i)) = std::thread(run_five, 10 * i);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
