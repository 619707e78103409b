// For tests: a pipe in place of this process's stdin, and an I/O thread.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <string_view>
#include <thread>

#include "base/io_loop.hpp"
#include "base/plain_engine.hpp"
#include "base/unique_fd.hpp"

// While it lives. Its writer's end: closed, it is the end.
struct StdinPipe {
    StdinPipe() {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
        writer = UniqueFd(ends[1]);
        EXPECT_EQ(::dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
        ::close(ends[0]);
    }
    StdinPipe(const StdinPipe&) = delete;
    StdinPipe& operator=(const StdinPipe&) = delete;
    ~StdinPipe() { ::dup2(original.get(), STDIN_FILENO); }
    void type(std::string_view text) const {
        EXPECT_EQ(::write(writer.get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
    }

    UniqueFd original{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)};
    UniqueFd writer;
};

// A loop, and the thread that it runs on from run() on.
class IoThreadOfTest {
public:
    IoThreadOfTest() = default;
    IoThreadOfTest(const IoThreadOfTest&) = delete;
    IoThreadOfTest& operator=(const IoThreadOfTest&) = delete;
    ~IoThreadOfTest() { stop(); }

    void run() {
        thread_ = std::thread([this] { EXPECT_TRUE(loop_->start().ok() && loop_->run().ok()); });
    }
    void stop() {
        if (!thread_.joinable()) return;
        loop_->stop();
        thread_.join();
    }
    IoLoop& loop() { return *loop_; }

private:
    std::unique_ptr<IoLoop> loop_ =
        IoLoop::create(PlainEngine::create(), IoPolling::kNever).value();
    std::thread thread_;
};
