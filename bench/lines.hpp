// What a probe found, as JSON lines on a descriptor. They are written a few times a second at most:
// a reader who wakes for each line would take time from what is measured. One thread.
#pragma once

#include <string>

#include "base/json_writer.hpp"
#include "base/result.hpp"

// Text of a program's own, which may be anything, as a record can have it.
std::string in_ascii(std::string text);

class Lines {
public:
    // `fd` outlives this.
    explicit Lines(int fd) : fd_(fd) {}

    // `fill(JsonWriter&)` fills the record. Errors: as write(2).
    template <typename Fill>
    Result<> add(Fill fill) {
        JsonWriter out;
        fill(out);
        waiting_ += out.finish();
        waiting_ += '\n';
        return write_if_due();
    }

    // Writes what waits. Errors: as write(2).
    Result<> flush();

private:
    Result<> write_if_due();

    int fd_;
    std::string waiting_;
    double written_us_ = 0;
};
