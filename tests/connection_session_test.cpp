// connection: the session machine by scripts: every way a connection opens, and every way it does not.
#include "connection/session.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/encoded.hpp"

namespace redoubt::connection {
namespace {

using Kind = SessionAction::Kind;
using Words = std::vector<std::string>;

constexpr const char* secret = "s3cr3t-pass";
constexpr const char* hello_reply = "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n";
constexpr const char* ok = "+OK\r\n";

SessionSettings settings_for(Target::Scheme scheme = Target::Scheme::unix_socket) {
    SessionSettings settings;
    settings.target.scheme = scheme;
    settings.target.host = "cache.example";
    settings.target.port = 6379;
    settings.target.path = "/run/s";
    return settings;
}

std::string commands(const std::vector<Words>& list) {
    std::string bytes;
    for (const Words& words : list) bytes += testing::resp(words);
    return bytes;
}
const Words set_name{"CLIENT", "SETNAME", "redoubt"};

/// A session with its peer played by the test; whatever happens, no text may hold the password.
class Peer {
public:
    explicit Peer(const SessionSettings& settings) : session_(settings) {}
    ~Peer() {
        EXPECT_EQ(session_.error().message().find(secret), std::string::npos) << session_.error().message();
        EXPECT_EQ(std::string(session_.error().reason()).find(secret), std::string::npos);
    }
    Session* operator->() { return &session_; }

    /// To where the handshake is sent, without names and TLS.
    void open() {
        ASSERT_EQ(session_.start(), (SessionAction{Kind::connect, 0}));
        ASSERT_EQ(session_.on_connected(), (SessionAction{Kind::send, 0}));
    }
    std::string sent() { return std::string(session_.output()); }
    Kind answer(std::string_view bytes) { return session_.on_bytes(bytes).kind; }
    std::string reason() { return std::string(session_.error().reason()); }
    void expect_failure(ErrorKind kind, Stage stage, std::string_view part) {
        const Error& error = session_.error();
        EXPECT_EQ(error.kind, kind) << error.message();
        EXPECT_EQ(error.stage, stage) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent) << error.message();
        EXPECT_NE(error.reason().find(part), std::string_view::npos) << error.message();
    }

private:
    Session session_;
};

TEST(Session, SpeaksResp3) {
    SessionSettings settings = settings_for();
    settings.client_name = "billing";
    settings.target.database = 7;
    Peer peer(settings);
    peer.open();
    EXPECT_EQ(peer.sent(), commands({{"HELLO", "3"}, {"CLIENT", "SETNAME", "billing"}, {"SELECT", "7"}}));
    EXPECT_EQ(peer.answer(std::string(hello_reply) + ok), Kind::read);
    EXPECT_EQ(peer.answer(">2\r\n+hi\r\n:1\r\n"), Kind::read);  // a push is nobody's answer
    EXPECT_EQ(peer.answer(ok), Kind::ready);
    EXPECT_EQ(peer->protocol(), 3);
}

TEST(Session, SendsThePasswordAsTheServerWantsIt) {
    for (const std::string user : {"", "alice"}) {
        SessionSettings settings = settings_for();
        settings.target.user = user;
        settings.target.password = secret;
        Peer resp3(settings);
        resp3.open();
        EXPECT_EQ(resp3.sent(), commands({{"HELLO", "3", "AUTH", user.empty() ? "default" : user, secret}, set_name}));
        EXPECT_EQ(resp3.answer(std::string(hello_reply) + ok), Kind::ready);

        settings.protocol = Protocol::resp2;
        Peer resp2(settings);
        resp2.open();
        const Words auth = user.empty() ? Words{"AUTH", secret} : Words{"AUTH", user, secret};
        EXPECT_EQ(resp2.sent(), commands({auth, set_name}));
        EXPECT_EQ(resp2.answer("+OK\r\n+OK\r\n"), Kind::ready);
        EXPECT_EQ(resp2->protocol(), 2);
    }
}

TEST(Session, FallsBackToResp2WhenTheServerDoesNotKnowHello) {
    // Redis 5 quotes the arguments of a command that it does not know, the password among them.
    const std::string unknown = std::string("-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `") +
                                "default`, `" + secret + "`, \r\n";
    for (const std::string& refusal : {unknown, std::string("-NOPROTO unsupported protocol version\r\n")}) {
        SessionSettings settings = settings_for();
        settings.target.password = secret;
        settings.target.database = 2;
        Peer peer(settings);
        peer.open();
        EXPECT_EQ(peer.answer(refusal), Kind::read);
        EXPECT_EQ(peer.answer("-NOAUTH Authentication required.\r\n"), Kind::read);  // its companions come to nothing
        EXPECT_EQ(peer.answer("-NOAUTH Authentication required.\r\n"), Kind::send);
        EXPECT_EQ(peer.sent(), commands({{"AUTH", secret}, set_name, {"SELECT", "2"}}));
        EXPECT_EQ(peer.answer("+OK\r\n+OK\r\n"), Kind::read);
        EXPECT_EQ(peer.answer("+OK\r\n"), Kind::ready);
        EXPECT_EQ(peer->protocol(), 2);

        settings.protocol = Protocol::resp3;  // asked for by name: no falling back
        Peer strict(settings);
        strict.open();
        EXPECT_EQ(strict.answer(refusal), Kind::fail);
        EXPECT_NE(strict->error().kind, ErrorKind::configuration);
        EXPECT_EQ(strict->error().stage, Stage::handshake);
    }
}

TEST(Session, FallsBackForNothingElse) {
    for (const std::string refusal :
         {"-ERR syntax error\r\n", "-NOPERM this user has no permissions to run the 'hello' command\r\n",
          "-LOADING Redis is loading the dataset in memory\r\n", "-ERR max number of clients reached\r\n",
          "-DENIED Redis is running in protected mode\r\n", "-WRONGPASS invalid username-password pair\r\n"}) {
        Peer peer(settings_for());
        peer.open();
        EXPECT_EQ(peer.answer(refusal), Kind::fail) << refusal;
        EXPECT_EQ(peer.reason() + "\r\n", refusal.substr(1));
    }
}

TEST(Session, AWrongPasswordIsAnAuthenticationError) {
    for (const Protocol protocol : {Protocol::automatic, Protocol::resp2, Protocol::resp3}) {
        for (const std::string refusal :
             {"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
              "-NOAUTH HELLO must be called with the client already authenticated\r\n",
              "-ERR AUTH <password> called without any password configured for the default user. Are you sure?\r\n",
              "-ERR invalid password\r\n", "-NOPERM no\r\n"}) {
            SessionSettings settings = settings_for();
            settings.protocol = protocol;
            settings.target.password = secret;
            Peer peer(settings);
            peer.open();
            EXPECT_EQ(peer.answer(refusal), Kind::fail) << refusal;
            if (refusal == "-ERR invalid password\r\n" && protocol != Protocol::resp2)
                continue;  // Redis 5, to AUTH only
            peer.expect_failure(ErrorKind::authentication, Stage::handshake, refusal.substr(1, 8));
        }
    }
}

TEST(Session, AMissingPasswordIsAnAuthenticationError) {
    const std::string refusal = "-NOAUTH Authentication required.\r\n";
    for (const Protocol protocol : {Protocol::automatic, Protocol::resp2}) {
        SessionSettings settings = settings_for();
        settings.protocol = protocol;
        Peer peer(settings);
        peer.open();
        EXPECT_EQ(peer.answer(refusal), Kind::fail);
        peer.expect_failure(ErrorKind::authentication, Stage::handshake, "NOAUTH");
    }
    // Found out in the second round, when HELLO was not known.
    Peer peer(settings_for());
    peer.open();
    EXPECT_EQ(peer.answer("-ERR unknown command 'HELLO'\r\n" + refusal), Kind::send);
    EXPECT_EQ(peer.sent(), commands({set_name}));
    EXPECT_EQ(peer.answer(refusal), Kind::fail);
    peer.expect_failure(ErrorKind::authentication, Stage::handshake, "NOAUTH");
}

TEST(Session, ADatabaseThatIsNotThereIsAConfigurationError) {
    for (const Protocol protocol : {Protocol::automatic, Protocol::resp2}) {
        SessionSettings settings = settings_for();
        settings.protocol = protocol;
        settings.target.database = 99;
        const std::string before = protocol == Protocol::resp2 ? ok : std::string(hello_reply) + ok;
        Peer peer(settings);
        peer.open();
        EXPECT_EQ(peer.answer(before + "-ERR DB index is out of range\r\n"), Kind::fail);
        peer.expect_failure(ErrorKind::configuration, Stage::handshake, "cannot select database 99: ERR DB index");

        Peer forbidden(settings);
        forbidden.open();
        EXPECT_EQ(forbidden.answer(before + "-NOPERM no select\r\n"), Kind::fail);
        forbidden.expect_failure(ErrorKind::authentication, Stage::handshake, "NOPERM");
    }
}

TEST(Session, AConnectionToAReplicaInAClusterSaysThatItOnlyReads) {
    for (const Protocol protocol : {Protocol::automatic, Protocol::resp2}) {
        SessionSettings settings = settings_for();
        settings.protocol = protocol;
        settings.read_only = true;
        const std::string before = protocol == Protocol::resp2 ? ok : std::string(hello_reply) + ok;
        Peer peer(settings);
        peer.open();
        const std::string sent = commands({set_name, {"READONLY"}});
        EXPECT_EQ(peer.sent(), protocol == Protocol::resp2 ? sent : commands({{"HELLO", "3"}}) + sent);
        EXPECT_EQ(peer.answer(before), Kind::read);
        EXPECT_EQ(peer.answer(ok), Kind::ready);

        Peer alone(settings);
        alone.open();
        EXPECT_EQ(alone.answer(before + "-ERR This instance has cluster support disabled\r\n"), Kind::fail);
        alone.expect_failure(ErrorKind::connection, Stage::handshake, "cannot read here: ERR This instance");

        Peer forbidden(settings);
        forbidden.open();
        EXPECT_EQ(forbidden.answer(before + "-NOPERM no readonly\r\n"), Kind::fail);
        forbidden.expect_failure(ErrorKind::authentication, Stage::handshake, "NOPERM");
    }
}

TEST(Session, AServerInAMoodSaysSoAndNotThatTheDatabaseIsMissing) {
    for (const std::string_view mood : {"BUSY", "LOADING", "MASTERDOWN"}) {
        SessionSettings settings = settings_for();
        settings.target.database = 3;
        Peer peer(settings);
        peer.open();
        EXPECT_EQ(peer.answer(std::string(hello_reply) + ok + "-" + std::string(mood) + " not now\r\n"), Kind::fail);
        peer.expect_failure(ErrorKind::server, Stage::handshake, mood);
    }
}

TEST(Session, ANameIsACourtesy) {
    for (const std::string refusal : {"-NOPERM no client\r\n", "-ERR unknown command 'CLIENT'\r\n",
                                      "-ERR Client names cannot contain spaces\r\n"}) {
        Peer resp3(settings_for());
        resp3.open();
        EXPECT_EQ(resp3.answer(hello_reply + refusal), Kind::ready) << refusal;
        SessionSettings settings = settings_for();
        settings.protocol = Protocol::resp2;
        Peer resp2(settings);
        resp2.open();
        EXPECT_EQ(resp2.answer(refusal), Kind::ready) << refusal;
    }
}

// In RESP2 without a password SETNAME is the first command, and gets what the server says of the connection itself.
TEST(Session, AServerThatDoesNotTakeTheConnectionSaysSo) {
    for (const Protocol protocol : {Protocol::automatic, Protocol::resp2, Protocol::resp3}) {
        for (const std::string refusal :
             {"-ERR max number of clients reached\r\n", "-ERR max number of clients + cluster connections reached\r\n",
              "-DENIED Redis is running in protected mode because protected mode is enabled\r\n"}) {
            SessionSettings settings = settings_for();
            settings.protocol = protocol;
            Peer peer(settings);
            peer.open();
            EXPECT_EQ(peer.answer(refusal), Kind::fail) << refusal;
            peer.expect_failure(ErrorKind::connection, Stage::handshake, refusal.substr(1, 6));
        }
    }
}

TEST(Session, WhatIsNoRedisServerSaysSo) {
    for (const std::string bytes : {"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                    "\x15\x03\x01\x00\x02\x02\x46", "220 mail ESMTP\r\n", "\r\n"}) {
        Peer peer(settings_for());
        peer.open();
        EXPECT_EQ(peer.answer(bytes), Kind::fail) << bytes;
        peer.expect_failure(ErrorKind::connection, Stage::handshake, "the peer is not a Redis or Valkey server");
    }
    SessionSettings settings = settings_for();
    settings.reply_limits.max_reply_bytes = 1000;
    Peer endless(settings);
    endless.open();
    EXPECT_EQ(endless.answer("+" + std::string(5000, 'x')), Kind::fail);
}

TEST(Session, AReplyTooManyIsAFault) {
    Peer resp3(settings_for());
    resp3.open();
    EXPECT_EQ(resp3.answer(std::string(hello_reply) + ok + ok), Kind::fail);
    resp3.expect_failure(ErrorKind::connection, Stage::handshake, "no command asked for");

    Peer half(settings_for());
    half.open();
    EXPECT_EQ(half.answer(std::string(hello_reply) + ok + "+O"), Kind::fail);

    // Before the second round is sent: it would pass for an answer to it.
    Peer fallback(settings_for());
    fallback.open();
    EXPECT_EQ(fallback.answer(std::string("-ERR unknown command 'HELLO'\r\n") + ok + ok), Kind::fail);
    fallback.expect_failure(ErrorKind::connection, Stage::handshake, "no command asked for");
}

TEST(Session, TriesEveryAddress) {
    Peer peer(settings_for(Target::Scheme::tcp));
    EXPECT_EQ(peer->start(), (SessionAction{Kind::resolve, 0}));
    EXPECT_EQ(peer->on_resolved(3), (SessionAction{Kind::connect, 0}));
    EXPECT_EQ(peer->on_connect_failed("one: refused"), (SessionAction{Kind::connect, 1}));
    EXPECT_EQ(peer->on_lost("two: reset"), (SessionAction{Kind::connect, 2}));
    EXPECT_EQ(peer->on_connect_failed("three: no route"), (SessionAction{Kind::fail, 3}));
    peer.expect_failure(ErrorKind::connection, Stage::connecting, "one: refused; two: reset; three: no route");

    Peer second(settings_for(Target::Scheme::tcp));
    (void)second->start();
    (void)second->on_resolved(2);
    EXPECT_EQ(second->on_connect_failed("one: refused"), (SessionAction{Kind::connect, 1}));
    EXPECT_EQ(second->on_connected(), (SessionAction{Kind::send, 1}));
    EXPECT_EQ(second.answer(std::string(hello_reply) + ok), Kind::ready);
}

TEST(Session, ANameThatCannotBeResolvedIsNamed) {
    for (const bool empty : {false, true}) {
        Peer peer(settings_for(Target::Scheme::tcp));
        (void)peer->start();
        EXPECT_EQ((empty ? peer->on_resolved(0) : peer->on_resolve_failed("no such host")).kind, Kind::fail);
        peer.expect_failure(ErrorKind::connection, Stage::connecting, "cannot resolve cache.example: ");
    }
}

TEST(Session, TlsIsStartedOnceConnectedAndItsFailureIsAnAnswer) {
    Peer peer(settings_for(Target::Scheme::tls));
    (void)peer->start();
    (void)peer->on_resolved(2);
    EXPECT_EQ(peer->on_connected(), (SessionAction{Kind::start_tls, 0}));
    EXPECT_EQ(peer->on_tls_ready(), (SessionAction{Kind::send, 0}));

    for (const bool lost : {false, true}) {
        Peer failing(settings_for(Target::Scheme::tls));
        (void)failing->start();
        (void)failing->on_resolved(2);
        (void)failing->on_connected();
        EXPECT_EQ((lost ? failing->on_lost("closed") : failing->on_tls_failed("certificate verify failed")).kind,
                  Kind::fail);
        failing.expect_failure(ErrorKind::connection, Stage::connecting, lost ? "TLS: closed" : "TLS: certificate");
    }
}

/// Brings a session step by step to its end; `stop` steps of it.
SessionAction advance(Peer& peer, int stop) {
    SessionAction action = peer->start();
    const std::vector<std::string> answers{"-ERR unknown command 'HELLO'\r\n", "-NOAUTH x\r\n", ok, ok};
    std::size_t answer = 0;
    for (int i = 0; i != stop; ++i) {
        switch (action.kind) {
            case Kind::resolve: action = peer->on_resolved(2); break;
            case Kind::connect:
                action = action.index == 0 ? peer->on_connect_failed("first: refused") : peer->on_connected();
                break;
            case Kind::start_tls: action = peer->on_tls_ready(); break;
            case Kind::send:
            case Kind::read: action = peer->on_bytes(answers.at(answer++)); break;
            case Kind::ready:
            case Kind::fail: return action;
        }
    }
    return action;
}

TEST(Session, EndsAtEveryStepWhenTimePassesOrThePeerCloses) {
    SessionSettings settings = settings_for(Target::Scheme::tls);
    settings.target.password = secret;
    const std::vector<std::string_view> waiting_for{"resolving the name", "connecting",          "connecting",
                                                    "the TLS handshake",  "the answer to HELLO", "the answer to HELLO",
                                                    "the handshake",      "the handshake"};
    for (std::size_t step = 0; step != waiting_for.size(); ++step) {
        SCOPED_TRACE(step);
        const Stage stage = step < 4 ? Stage::connecting : Stage::handshake;
        Peer late(settings);
        ASSERT_NE(advance(late, static_cast<int>(step)).kind, Kind::ready);
        EXPECT_EQ(late->on_timeout().kind, Kind::fail);
        late.expect_failure(ErrorKind::timeout, stage, waiting_for[step]);
        // What went wrong before is told too.
        if (step >= 2) late.expect_failure(ErrorKind::timeout, stage, "before that: first: refused");

        if (step == 0) continue;  // nothing to lose yet
        Peer lost(settings);
        const SessionAction before = advance(lost, static_cast<int>(step));
        const SessionAction after = lost->on_lost("the server closed the connection");
        if (before == SessionAction{Kind::connect, 0}) {
            EXPECT_EQ(after, (SessionAction{Kind::connect, 1}));
            continue;
        }
        EXPECT_EQ(after.kind, Kind::fail);
        lost.expect_failure(ErrorKind::connection, stage, "the server closed the connection");
    }
    Peer whole(settings);
    EXPECT_EQ(advance(whole, static_cast<int>(waiting_for.size())).kind, Kind::ready);
}

TEST(Session, AnswersMaySplitAtEveryByte) {
    SessionSettings settings = settings_for();
    settings.target.password = secret;
    settings.target.database = 1;
    const std::string resp3 = std::string(hello_reply) + ">1\r\n+push\r\n" + ok + ok;
    const std::string refused = std::string(hello_reply) + ok + "-ERR DB index is out of range\r\n";
    const std::string unknown = "-ERR unknown command 'HELLO'\r\n-NOAUTH a\r\n-NOAUTH b\r\n";
    const std::string resp2 = std::string(ok) + "-NOPERM name\r\n" + ok;
    const auto play = [&](const std::string& bytes, std::size_t cut, Kind end) {
        Peer peer(settings);
        peer.open();
        EXPECT_EQ(peer.answer(bytes.substr(0, cut)), Kind::read);
        EXPECT_EQ(peer.answer(bytes.substr(cut)), end);
    };
    for (std::size_t cut = 0; cut != resp3.size(); ++cut) play(resp3, cut, Kind::ready);
    for (std::size_t cut = 0; cut != refused.size(); ++cut) play(refused, cut, Kind::fail);
    for (std::size_t cut = 0; cut != unknown.size(); ++cut) {
        play(unknown, cut, Kind::send);
        Peer peer(settings);
        peer.open();
        ASSERT_EQ(peer.answer(unknown), Kind::send);
        const std::size_t half = cut % resp2.size();
        EXPECT_EQ(peer.answer(resp2.substr(0, half)), Kind::read);
        EXPECT_EQ(peer.answer(resp2.substr(half)), Kind::ready);
    }
}

}  // namespace
}  // namespace redoubt::connection
