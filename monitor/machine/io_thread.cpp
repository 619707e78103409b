#include "monitor/machine/io_thread.hpp"

#include <utility>

namespace {

Result<> confine(IoLoop& loop, const Filters& filters) {
    TRY(loop.start());
    return filters.install(loop.engine().is_uring() ? ThreadRole::kIo : ThreadRole::kIoPlain);
}

void live(IoLoop& loop, const Filters& filters, const IoThread::News& news) {
    if (const auto confined = confine(loop, filters); !confined.ok())
        return news.on_unfit(confined.error());
    news.on_confined();
    if (const auto ended = loop.run(); !ended.ok()) news.on_error(ended.error());
}

}  // namespace

Result<IoThread> IoThread::start(IoLoop& loop, const Filters& filters, News news) {
    Thread thread = TRY(Thread::start(
        "io", [&loop, &filters, news = std::move(news)] { live(loop, filters, news); }));
    return IoThread{loop, std::move(thread)};
}

IoThread::IoThread(IoThread&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), thread_(std::move(other.thread_)) {}

IoThread::~IoThread() {
    if (loop_ != nullptr) loop_->stop();
}
