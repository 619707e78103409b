// The bytes are the image's configuration and, behind the first 0xff, the run file. Whatever they
// say: each string that is kept lies in the text it came from, a variable is set once, and the
// image does not decide about the machine.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "rootfs/init/settings.hpp"

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

class Texts {
public:
    explicit Texts(std::span<const uint8_t> bytes) {
        const auto at = std::ranges::find(bytes, 0xff);
        image_.assign(bytes.begin(), at);
        if (at != bytes.end()) run_.assign(at + 1, bytes.end());
    }
    std::span<char> image() { return image_; }
    std::span<char> run() { return run_; }

    // A C string within one of them.
    void check_string(const char* string) const {
        check(is_in(image_, string) || is_in(run_, string));
    }

private:
    static bool is_in(const std::vector<char>& text, const char* string) {
        const std::less_equal<> not_after;
        if (text.empty() || !not_after(text.data(), string)) return false;
        const char* const end = text.data() + text.size();
        return not_after(string, end - 1) &&
               std::memchr(string, '\0', static_cast<size_t>(end - string)) != nullptr;
    }

    std::vector<char> image_, run_;
};

void check_program(Settings& settings, const Texts& texts) {
    for (const char* const string :
         {settings.working_directory, settings.user, settings.hostname, settings.seed})
        if (string != nullptr) texts.check_string(string);
    for (size_t i = 0; i < settings.arguments.size(); ++i)
        texts.check_string(settings.arguments[i]);
    check(settings.arguments.data()[settings.arguments.size()] == nullptr);
    for (size_t i = 0; i < settings.environment.size(); ++i) {
        const char* const variable = settings.environment[i];
        texts.check_string(variable);
        const std::string_view text(variable);
        const size_t name_size = std::min(text.find('='), text.size());
        for (size_t other = 0; other < i; ++other) {
            const std::string_view before(settings.environment[other]);
            check(before.size() <= name_size || name_size == text.size() ||
                  before[name_size] != '=' ||
                  before.substr(0, name_size) != text.substr(0, name_size));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Texts texts({data, size});
    Settings settings;
    settings.take_image(texts.image());
    check(settings.hostname == nullptr && settings.seed == nullptr && !settings.has_terminal);
    check(settings.root == RootAccess::kOverlay && settings.clock_seconds == 0);
    check(settings.monitor_version == 0);
    check_program(settings, texts);
    settings.take_run(texts.run());
    check_program(settings, texts);
    std::array<char, 160> room{};
    if (const char* const complaint = settings.version_complaint(room); complaint != nullptr)
        check(std::strlen(complaint) < room.size() - 1);
    return 0;
}
