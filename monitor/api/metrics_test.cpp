#include "monitor/api/metrics.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

TEST(MetricsDocument, GoesBothWays) {
    const MetricsConfig metrics = parsed(parse_metrics, "{\"metrics_path\":\"/m\"}");
    EXPECT_EQ(written([&](JsonWriter& out) { write_metrics(metrics, out); }),
              "{\"metrics_path\":\"/m\"}");
    EXPECT_EQ(complaint(parse_metrics, "{}"), "metrics_path: is missing");
    EXPECT_EQ(complaint(parse_metrics, "{\"metrics_path\":\"\"}"), "metrics_path: is empty");
}

}  // namespace
