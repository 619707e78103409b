#include "monitor/machine/io_thread.hpp"

#include <utility>

namespace {

Result<> live(IoLoop& loop, const Filters& filters) {
    TRY(loop.start());
    TRY(filters.install(loop.engine().is_uring() ? ThreadRole::kIo : ThreadRole::kIoPlain));
    return loop.run();
}

}  // namespace

Result<IoThread> IoThread::start(IoLoop& loop, const Filters& filters,
                                 std::function<void(const Error&)> on_error) {
    Thread thread = TRY(Thread::start("io", [&loop, &filters, on_error = std::move(on_error)] {
        const Result<> ended = live(loop, filters);
        if (!ended.ok()) on_error(ended.error());
    }));
    return IoThread{loop, std::move(thread)};
}

IoThread::IoThread(IoThread&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), thread_(std::move(other.thread_)) {}

IoThread::~IoThread() {
    if (loop_ != nullptr) loop_->stop();
}
