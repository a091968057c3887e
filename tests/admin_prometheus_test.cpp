// admin: the names that Prometheus sees are golden, the text is what promtool takes, and the dashboard and the alert rules
// ask for nothing else.
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "admin/prometheus_text.hpp"
#include "support/run_program.hpp"

namespace redoubt::admin {
namespace {

namespace json = boost::json;
using testing::Ran;

const std::string source_dir = REDOUBT_SOURCE_DIR;

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(text.str().empty()) << path;
    return text.str();
}

/// From Debian's package prometheus; found as a shell finds it.
Ran promtool(const std::vector<std::string>& arguments, const std::string& input = {}) {
    std::vector<std::string> words{"/usr/bin/env", "promtool"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return testing::run_program(words, {std::string("PATH=") + std::getenv("PATH")}, input);
}

/// Everything happened once.
PrometheusSource full_source() {
    PrometheusSource source;
    source.snapshot.initialized = true;
    source.snapshot.projects = 2;
    PoolSnapshot pool;
    pool.name = "alpha";
    pool.created = 3;
    pool.available = 1;
    pool.max = 10;
    pool.waiting = 4;
    pool.exhausted = 5;
    pool.retries = 6;
    source.snapshot.pools = {pool};
    NodeSnapshot node;
    node.endpoint = "localhost:5240";
    node.state = CircuitState::open;
    node.connections_opened = 7;
    source.snapshot.nodes = {node};
    ReplicaSnapshot replica;
    replica.node.endpoint = "localhost:5241";
    replica.master = "localhost:5240";
    replica.lag = std::chrono::milliseconds(1500);
    replica.answer_time = std::chrono::microseconds(250);
    ReplicaSnapshot unknown;
    unknown.node.endpoint = "localhost:5242";
    unknown.master = "localhost:5240";
    source.snapshot.replicas = {replica, unknown};
    source.snapshot.cluster = ClusterSnapshot{
        {{"localhost:5240", true, true, 16370}, {"localhost:5241", false, false, 16370}}, {{3, 3}, {16371, 16383}}};
    source.snapshot.memory = MemorySnapshot{"warning", 0.85, 85, 100};
    source.health = "degraded";
    source.memory_warning_ratio = 0.8;
    source.memory_critical_ratio = 0.9;
    source.version = "1.2.3";
    CallMetrics calls;
    CallInfo call;
    call.operation = "GET";
    call.project_id = "al\"p\\ha\n";
    CallOutcome outcome;
    outcome.duration = std::chrono::milliseconds(2);
    calls.call_ended(call, outcome);
    const Error failure = Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent, "slow");
    outcome.error = &failure;
    calls.call_ended(call, outcome);
    calls.connection_opened("localhost:5240", "alpha", std::chrono::milliseconds(1));
    calls.connection_obtained("localhost:5240", "alpha", std::chrono::milliseconds(1));
    calls.connection_returned("localhost:5240", "alpha", std::chrono::milliseconds(1));
    source.calls = calls.rows();
    return source;
}

std::string text_of(const PrometheusSource& source) {
    base::BoundedLabels labels;
    return prometheus_text(source, labels);
}

/// `name type labels...`, one line a family: names and the names of labels, no values.
std::string shape_of(const std::string& text) {
    std::map<std::string, std::pair<std::string, std::set<std::string>>> families;
    std::istringstream lines(text);
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string hash;
        std::string word;
        words >> hash >> word;
        if (hash == "#" && word == "TYPE") {
            words >> family;
            words >> families[family].first;
        }
        if (line.starts_with('#')) continue;
        static const std::regex label(R"((\w+)=")");
        const std::string series = line.substr(0, line.find('}'));
        for (std::sregex_iterator at(series.begin(), series.end(), label), end; at != end; ++at) {
            families[family].second.insert((*at)[1]);
        }
    }
    std::string out;
    for (const auto& [name, about] : families) {
        out += name + " " + about.first;
        for (const std::string& name_of_label : about.second) out += " " + name_of_label;
        out += "\n";
    }
    return out;
}

/// Every name that a query may ask for.
std::set<std::string> series_names(const std::string& text) {
    std::set<std::string> names;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('#') || line.empty()) continue;
        names.insert(line.substr(0, line.find_first_of("{ ")));
    }
    return names;
}

TEST(PrometheusText, NamesAreGolden) {
    const std::string shape = shape_of(text_of(full_source()));
    EXPECT_EQ(shape, read_file(source_dir + "/tests/data/prometheus_names.txt"))
        << "a name that changed breaks dashboards and alerts; if it is meant, this is the new file:\n"
        << shape;
}

TEST(PrometheusText, SaysTheFigures) {
    const std::string text = text_of(full_source());
    for (const std::string_view line :
         {"db_client_connections{db_client_connection_pool_name=\"alpha\",db_client_connection_state=\"used\"} 2\n",
          "db_client_connections{db_client_connection_pool_name=\"alpha\",db_client_connection_state=\"idle\"} 1\n",
          "redoubt_circuit_breaker_state{server_address=\"localhost:5240\",state=\"open\"} 1\n",
          "redoubt_circuit_breaker_state{server_address=\"localhost:5240\",state=\"closed\"} 0\n",
          "redoubt_replica_lag_seconds{server_address=\"localhost:5241\",master=\"localhost:5240\"} 1.5\n",
          "redoubt_replica_answer_seconds{server_address=\"localhost:5241\",master=\"localhost:5240\"} 0.00025\n",
          "redoubt_replica_within_bound{server_address=\"localhost:5242\",master=\"localhost:5240\"} 0\n",
          "redoubt_cluster_slots{server_address=\"localhost:5240\",role=\"master\"} 16370\n",
          "redoubt_cluster_node_online{server_address=\"localhost:5241\",role=\"replica\"} 0\n",
          "redoubt_cluster_uncovered_slots 14\n", "redoubt_memory_utilization_ratio 0.85\n",
          "redoubt_health_status{status=\"degraded\"} 1\n",
          "redoubt_retries_total{db_client_connection_pool_name=\"alpha\"} 6\n",
          // An id with a quote could not be a project's; but nothing may ever break the text.
          "db_client_operation_duration_seconds_bucket{db_operation_name=\"GET\",db_system_name=\"redis\","
          "redoubt_project_id=\"al\\\"p\\\\ha\\n\",le=\"0.0025\"} 1\n",
          "error_type=\"RedisOperationTimeoutException\"", "le=\"+Inf\"} 1\n"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line << " in\n" << text;
    }
    // What is not known is not told.
    EXPECT_EQ(text.find("redoubt_replica_lag_seconds{server_address=\"localhost:5242\""), std::string::npos);
}

TEST(PrometheusText, PromtoolTakesIt) {
    for (const PrometheusSource& source : {full_source(), PrometheusSource{}}) {
        const std::string text = text_of(source);
        const Ran ran = promtool({"check", "metrics"}, text);
        EXPECT_EQ(ran.status, 0) << ran.out << ran.err << text;
        EXPECT_EQ(ran.out + ran.err, "");
    }
    // It can say no.
    EXPECT_NE(promtool({"check", "metrics"}, "a{b=} 1\n").status, 0);
}

TEST(PrometheusText, HasEveryFamilyFromTheFirstScrapeOn) {
    const auto names = [](const std::string& text) {
        std::set<std::string> out;
        std::istringstream lines(shape_of(text));
        for (std::string line; std::getline(lines, line);) out.insert(line.substr(0, line.find(' ')));
        return out;
    };
    EXPECT_EQ(names(text_of(PrometheusSource{})), names(text_of(full_source())));
}

TEST(PrometheusText, PoolsAreBoundedInNumber) {
    PrometheusSource source;
    for (int i = 0; i != 300; ++i) {
        source.snapshot.pools.emplace_back();
        source.snapshot.pools.back().name = "p" + std::to_string(i);
        source.snapshot.pools.back().max = 10;
    }
    const std::string text = text_of(source);
    std::size_t series = 0;
    double capacity = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("db_client_connection_max{")) continue;
        ++series;
        capacity += std::stod(line.substr(line.find("} ") + 2));
    }
    EXPECT_EQ(series, 101U);
    EXPECT_EQ(capacity, 3000.0);
    EXPECT_NE(text.find("db_client_connection_max{db_client_connection_pool_name=\"other\"} 2000"), std::string::npos);
}

/// Names that a query asks for: what is neither a label in braces or behind `by`, nor a function or a word of PromQL.
std::set<std::string> asked_names(std::string query) {
    query = std::regex_replace(query, std::regex(R"("[^"]*")"), "");
    query = std::regex_replace(query, std::regex(R"(\{[^}]*\}|\[[^\]]*\])"), "");
    query =
        std::regex_replace(query, std::regex(R"(\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\))"), "");
    static const std::regex name(R"([A-Za-z_:][A-Za-z0-9_:]*(?!\s*\()\b)");
    static const std::set<std::string> words{"and", "or", "unless", "bool", "offset", "sum"};
    std::set<std::string> names;
    for (std::sregex_iterator at(query.begin(), query.end(), name), end; at != end; ++at) {
        const std::size_t behind = static_cast<std::size_t>(at->position() + at->length());
        const std::size_t next = query.find_first_not_of(' ', behind);
        const bool is_function = next != std::string::npos && query[next] == '(';
        if (!is_function && !words.contains(at->str())) names.insert(at->str());
    }
    return names;
}

void collect_queries(const json::value& value, std::vector<std::string>& queries) {
    if (const auto* object = value.if_object()) {
        for (const auto& [name, field] : *object) {
            if (name == "expr") queries.emplace_back(field.as_string());
            collect_queries(field, queries);
        }
        const auto* kind = object->if_contains("type");
        if (kind != nullptr && *kind == "query") {
            std::smatch found;
            const std::string query(object->at("query").as_string());
            if (std::regex_match(query, found, std::regex(R"(label_values\((.*), *\w+\))")))
                queries.push_back(found[1]);
        }
    } else if (const auto* array = value.if_array()) {
        for (const json::value& element : *array) collect_queries(element, queries);
    }
}

std::vector<std::string> queries_of_rules(const std::string& text) {
    std::vector<std::string> queries;
    std::istringstream lines(text);
    bool folded = false;
    for (std::string line; std::getline(lines, line);) {
        const std::size_t at = line.find("expr: ");
        if (at != std::string::npos) {
            queries.push_back(line.substr(at + 6));
            folded = queries.back() == ">-";
        } else if (folded && line.starts_with("          ")) {
            queries.back() += " " + line;
        } else {
            folded = false;
        }
    }
    return queries;
}

TEST(Observability, DashboardAndRulesAskForWhatThereIs) {
    EXPECT_EQ(asked_names("sum by (le, x) (rate(a_b{c=\"d_e\"}[5m])) / f > 0.5 and on (g) h"),
              (std::set<std::string>{"a_b", "f", "h"}));
    std::set<std::string> there = series_names(text_of(full_source()));
    there.insert({"up", "ALERTS"});  // of Prometheus itself

    std::vector<std::string> queries;
    const json::value dashboard = json::parse(read_file(source_dir + "/observability/redoubt-dashboard.json"));
    collect_queries(dashboard, queries);
    EXPECT_GE(queries.size(), 25U);
    const auto rules = queries_of_rules(read_file(source_dir + "/observability/redoubt-alerts.yml"));
    EXPECT_GE(rules.size(), 12U);
    queries.insert(queries.end(), rules.begin(), rules.end());
    std::set<std::string> used;
    for (const std::string& query : queries) {
        const auto names = asked_names(query);
        EXPECT_FALSE(names.empty()) << query;
        for (const std::string& name : names) {
            EXPECT_TRUE(there.contains(name)) << name << " in " << query;
            used.insert(name);
        }
    }
    EXPECT_GE(used.size(), 20U);
}

TEST(Observability, PromtoolTakesTheRulesAndTheyFire) {
    const std::string folder = source_dir + "/observability/";
    const Ran checked = promtool({"check", "rules", folder + "redoubt-alerts.yml"});
    EXPECT_EQ(checked.status, 0) << checked.out << checked.err;
    EXPECT_NE(checked.out.find("SUCCESS: 14 rules found"), std::string::npos) << checked.out;
    const Ran fired = promtool({"test", "rules", folder + "redoubt-alerts-test.yml"});
    EXPECT_EQ(fired.status, 0) << fired.out << fired.err;
    // Each rule is fired there.
    const std::string tests = read_file(folder + "redoubt-alerts-test.yml");
    static const std::regex alert(R"(- alert: (\w+))");
    const std::string rules = read_file(folder + "redoubt-alerts.yml");
    for (std::sregex_iterator at(rules.begin(), rules.end(), alert), end; at != end; ++at) {
        EXPECT_NE(tests.find("alertname: " + (*at)[1].str() + "\n"), std::string::npos) << (*at)[1];
    }
}

}  // namespace
}  // namespace redoubt::admin
