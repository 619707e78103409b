#include "base/lent_thread.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "base/thread.hpp"

namespace {

// A lent thread that serves as long as the test process lives, as the first one does.
LentThread& lend() {
    static std::atomic<LentThread*> lent;
    lent = nullptr;
    pthread_t handle{};
    const auto serve = [](void*) -> void* {
        LentThread thread;
        lent = &thread;
        thread.serve();
    };
    EXPECT_EQ(::pthread_create(&handle, nullptr, serve, nullptr), 0);
    ::pthread_detach(handle);
    while (lent == nullptr) ::usleep(1000);
    return *lent;
}

TEST(LentThread, DoesItsTasksInOrderOnItself) {
    LentThread& lent = lend();
    std::string done;
    pthread_t first{};
    pthread_t second{};
    lent.give([&] {
        ::usleep(20'000);  // the others wait
        first = ::pthread_self();
        done += 'a';
    });
    lent.give([&] { done += 'b'; });
    lent.give([&] {
        second = ::pthread_self();
        done += 'c';
    });
    lent.wait();
    EXPECT_EQ(done, "abc");
    EXPECT_TRUE(::pthread_equal(first, second));
    EXPECT_FALSE(::pthread_equal(first, ::pthread_self()));
    lent.wait();  // nothing to wait for
}

TEST(LentThread, ATaskMayGiveAnotherAndDoesNotWaitForItself) {
    LentThread& lent = lend();
    int done = 0;
    lent.give([&] {
        for (int i = 0; i < 100; ++i) lent.give([&] { ++done; });
        lent.wait();
        EXPECT_EQ(done, 0);
    });
    lent.wait();
    EXPECT_EQ(done, 100);
}

TEST(LentThread, WhatATaskHoldsIsGoneAfterIt) {
    LentThread& lent = lend();
    const auto held = std::make_shared<int>(1);
    lent.give([held] { EXPECT_GT(held.use_count(), 1); });
    lent.wait();
    EXPECT_EQ(held.use_count(), 1);
}

TEST(LentThread, ForgetsWhatItHasNotBegun) {
    LentThread here;
    bool is_done = false;
    here.give([&] { is_done = true; });
    here.forget();
    here.wait();
    EXPECT_FALSE(is_done);
}

TEST(LentThread, AThreadOnItEndsWithItsBody) {
    LentThread& lent = lend();
    std::atomic<bool> is_done = false;
    {
        const Thread thread = Thread::on(lent, [&] {
            ::usleep(20'000);
            is_done = true;
        });
    }
    EXPECT_TRUE(is_done);
}

TEST(LentThread, AThreadOnItIsKicked) {
    struct sigaction kick {};
    kick.sa_handler = [](int) {};
    ASSERT_EQ(::sigaction(SIGRTMAX, &kick, nullptr), 0);
    LentThread& lent = lend();
    std::atomic<bool> is_interrupted = false;
    const Thread thread = Thread::on(lent, [&] {
        const timespec long_time{.tv_sec = 1000, .tv_nsec = 0};
        is_interrupted = ::nanosleep(&long_time, nullptr) != 0;
    });
    while (!is_interrupted) {
        thread.kill(SIGRTMAX);  // until it sleeps
        ::usleep(1000);
    }
}

}  // namespace
