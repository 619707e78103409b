// For a sanitizer's build of the program: how it differs from the default, as the filters demand.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAYFLY_WITH_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MAYFLY_WITH_ASAN
#endif

#ifdef MAYFLY_WITH_ASAN
// LeakSanitizer looks at the process from a clone of it that traces it: no thread may do that here.
// The unit tests, where it may, look for leaks.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming): ASan's name
extern "C" const char* __asan_default_options() {
    return "detect_leaks=0";
}
#endif
