#include "monitor/io_thread.hpp"

#include <utility>

Result<IoThread> IoThread::start(IoLoop& loop, std::function<void(const Error&)> on_error) {
    Thread thread = TRY(Thread::start("io", [&loop, on_error = std::move(on_error)] {
        const Result<> ended = loop.run();
        if (!ended.ok()) on_error(ended.error());
    }));
    return IoThread{loop, std::move(thread)};
}

IoThread::IoThread(IoThread&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), thread_(std::move(other.thread_)) {}

IoThread::~IoThread() {
    if (loop_ != nullptr) loop_->stop();
}
