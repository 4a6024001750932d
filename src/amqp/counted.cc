// How a session tells the census (census.h) of itself and of its channels. Operations of the HTTP
// API are not connections, and are not counted.
#include "amqp/census.h"
#include "amqp/session.h"
#include "auth/directory.h"
#include "broker/catalog.h"

namespace trv::amqp {

template <class Question, class Then>
void Session::ask_census(Question question, Then then) {
  using Answered = std::optional<Failure>;
  counted_ = true;
  wait_for<Answered>(
      [this, question = std::move(question)](UniqueFunction<void(Answered)> reply) {
        const CoreIndex here = broker().core().index();
        Census* census = services_.census;
        broker().at_core(census->home(), [here, census, question,
                                          reply = std::move(reply)](broker::Broker& first) mutable {
          Answered answer = question(*census);
          if (first.core().index() == here) {
            reply(std::move(answer));
          } else {
            first.post(here, [reply = std::move(reply), answer = std::move(answer)]() mutable {
              reply(std::move(answer));
            });
          }
        });
      },
      std::move(then));
}

void Session::enter_census() {
  ask_census([id = id_, user = user_,
              vhost = vhost_](Census& census) { return census.enter(id, user, vhost); },
             [](Session& session, const std::optional<Failure>& refusal) {
               if (session.state_ != State::opening) return;  // it ended meanwhile
               if (refusal) {
                 session.fail_connection(wire::MethodId::connection_open, *refusal);
               } else {
                 session.on_let_in();
               }
             });
}

void Session::leave_census() {
  if (!std::exchange(counted_, false)) return;
  Census* census = services_.census;
  broker().at_core(census->home(), [census, id = id_](broker::Broker&) { census->leave(id); });
}

void Session::open_counted_channel(std::uint16_t number) {
  Census* census = services_.census;
  const auto limit =
      broker().catalog().access()->limit(auth::LimitScope::user, user_, auth::Limit::channels);
  if (!limit) {
    broker().at_core(census->home(), [census, id = id_](broker::Broker&) {
      static_cast<void>(census->open_channel(id, false));
    });
    add_channel(number);
    return;
  }
  ask_census([id = id_](Census& there) { return there.open_channel(id, true); },
             [number](Session& session, const std::optional<Failure>& refusal) {
               if (session.state_ != State::running) return;  // it ended meanwhile
               if (refusal) {
                 session.fail_connection(wire::MethodId{}, *refusal);
               } else {
                 session.add_channel(number);
               }
             });
}

void Session::uncount_channel() {
  if (!counted_) return;
  Census* census = services_.census;
  broker().at_core(census->home(),
                   [census, id = id_](broker::Broker&) { census->close_channel(id); });
}

}  // namespace trv::amqp
