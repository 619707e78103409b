// Fields of which only certain words are values. The first of two words for one value is the one
// that is told.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "monitor/api/json.hpp"
#include "monitor/api/request.hpp"

enum class LetterCase : uint8_t { kMatters, kIgnored };

template <typename T, size_t kCount>
struct Words {
    struct Word {
        std::string_view text{};
        T value{};
    };
    const char* choice = nullptr;  // what an error says of another word
    std::array<Word, kCount> words{};
    LetterCase letters = LetterCase::kMatters;
};

inline constexpr Words<DiskCache, 2> kCaches{
    "is neither Unsafe nor Writeback",
    {{{"Unsafe", DiskCache::kUnsafe}, {"Writeback", DiskCache::kWriteback}}}};

inline constexpr Words<DiskEngine, 2> kEngines{
    "is neither Sync nor Async", {{{"Sync", DiskEngine::kSync}, {"Async", DiskEngine::kAsync}}}};

inline constexpr Words<ApiAction, 3> kActions{
    "is none of InstanceStart, FlushMetrics and SendCtrlAltDel",
    {{{"InstanceStart", ApiAction::kInstanceStart},
      {"FlushMetrics", ApiAction::kFlushMetrics},
      {"SendCtrlAltDel", ApiAction::kSendCtrlAltDel}}}};

inline constexpr Words<VmState, 2> kVmStates{
    "is neither Paused nor Resumed",
    {{{"Paused", VmState::kPaused}, {"Resumed", VmState::kResumed}}}};

inline constexpr Words<LogLevel, 7> kLevels{"is none of Off, Error, Warning, Info, Debug and Trace",
                                            {{{"Off", LogLevel::kOff},
                                              {"Error", LogLevel::kError},
                                              {"Warning", LogLevel::kWarning},
                                              {"Warn", LogLevel::kWarning},
                                              {"Info", LogLevel::kInfo},
                                              {"Debug", LogLevel::kDebug},
                                              {"Trace", LogLevel::kTrace}}},
                                            LetterCase::kIgnored};

// Whether `text` is `word`.
bool is_word(std::string_view text, std::string_view word, LetterCase letters);

template <typename T, size_t kCount>
std::optional<T> find_word(std::string_view text, const Words<T, kCount>& words) {
    for (const auto& word : words.words)
        if (is_word(text, word.text, words.letters)) return word.value;
    return {};
}

// nullopt: the field is absent. Errors: another type, another word.
template <typename T, size_t kCount>
Result<std::optional<T>> parse_word(JsonFields& fields, const char* name,
                                    const Words<T, kCount>& words) {
    const auto text = TRY(fields.text(name));
    if (!text.has_value()) return std::optional<T>{};
    const std::optional<T> value = find_word(*text, words);
    if (!value.has_value()) return Error{name, 0, words.choice};
    return value;
}

template <typename T, size_t kCount>
Result<T> parse_required_word(JsonFields& fields, const char* name, const Words<T, kCount>& words) {
    const std::optional<T> value = TRY(parse_word(fields, name, words));
    if (!value.has_value()) return Error{name, 0, "is missing"};
    return *value;
}

template <typename T, size_t kCount>
std::string_view word_of(T value, const Words<T, kCount>& words) {
    for (const auto& word : words.words)
        if (word.value == value) return word.text;
    return {};
}
