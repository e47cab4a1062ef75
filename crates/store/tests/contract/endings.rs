//! What an ending leaves behind: notices, receipts, events.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use vestibule_core::{AppSessionId, EndCause, EndScope, OffboardingId, SecretHash};
use vestibule_store::{Destination, Ending, Job, Live, NewAppSession, Store, TakenCode, WriteTx};
use vestibule_support::{Company, World, application_record, on_every_database};

on_every_database!(
    every_share_gets_its_notice_and_young_ones_a_second,
    an_application_that_does_not_listen_or_revoked_itself_gets_none,
    a_second_ending_changes_nothing_and_tells_nobody_twice,
    a_share_begun_during_a_logout_gets_its_notice,
    a_share_begun_during_a_deactivation_is_over_and_gets_its_notice,
    a_fan_out_reaches_all_shares_in_chunks_and_late_ones_later,
    an_application_ends_everywhere,
    receipts_close_when_every_application_was_told,
    a_notice_with_another_life_opens_its_receipt_again,
    the_last_token_of_all_chunks_counts,
);

const LEASE: Duration = Duration::from_mins(1);

async fn claim(world: &World, kind: Destination, limit: i64) -> Vec<Job> {
    let mut tx = world.write().await;
    let jobs = tx.claim_jobs(kind, LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    jobs
}

async fn finish(world: &World, jobs: &[Job]) {
    let mut tx = world.write().await;
    for job in jobs {
        tx.finish_job(job.id).await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn sids(jobs: &[Job]) -> BTreeSet<String> {
    let sid = |job: &Job| job.payload["sid"].as_str().unwrap().to_owned();
    jobs.iter().map(sid).collect()
}

async fn every_share_gets_its_notice_and_young_ones_a_second(world: World) {
    let company = world.company("acme").await;
    let old = world.sign_in_to_app(&company).await;
    let refreshed = world.sign_in_to_app(&company).await;
    world.clock.advance(Duration::from_secs(61));
    let young = world.sign_in_to_app(&company).await;
    world.try_refresh(refreshed).await.unwrap();

    let ended = world
        .end(EndScope::User(company.user.id), EndCause::Deactivated)
        .await;
    assert_eq!((ended.user_sessions, ended.app_sessions), (3, 3));

    let first = claim(&world, Destination::Logout, 100).await;
    assert_eq!(first.len(), 3);
    let wanted = [old.id, refreshed.id, young.id].map(|id| id.to_string());
    assert_eq!(sids(&first), BTreeSet::from(wanted));
    for job in &first {
        assert_eq!(job.destination, company.application.id.to_string());
        assert_eq!(job.payload["sub"], company.user.id.to_string());
        assert_eq!(job.user_id, Some(company.user.id));
        assert_eq!(job.cause_id, ended.offboarding_id.map(|id| id.to_string()));
    }
    finish(&world, &first).await;

    // The second notice leaves 30 to 60 seconds later (I9), for those with young tokens only.
    world.clock.advance(Duration::from_secs(29));
    assert!(claim(&world, Destination::Logout, 100).await.is_empty());
    world.clock.advance(Duration::from_secs(31));
    let second = claim(&world, Destination::Logout, 100).await;
    let wanted = [refreshed.id, young.id].map(|id| id.to_string());
    assert_eq!(second.len(), 2);
    assert_eq!(sids(&second), BTreeSet::from(wanted));
}

async fn an_application_that_does_not_listen_or_revoked_itself_gets_none(world: World) {
    let mut company = world.company("acme").await;
    let share = world.sign_in_to_app(&company).await;
    world
        .end(EndScope::AppSession(share.id), EndCause::Revoked)
        .await;

    let mut record = application_record("Deaf");
    record.backchannel_logout_uri = None;
    let mut tx = world.write().await;
    company.application = tx.add_application(&record, None).await.unwrap();
    tx.commit().await.unwrap();
    world.sign_in_to_app(&company).await;
    let ended = world
        .end(EndScope::User(company.user.id), EndCause::Operator)
        .await;
    assert_eq!(ended.app_sessions, 1);
    assert_eq!(world.count_jobs_about("logout", company.user.id).await, 0);
}

async fn a_second_ending_changes_nothing_and_tells_nobody_twice(world: World) {
    let company = world.company("acme").await;
    let share = world.sign_in_to_app(&company).await;
    let scope = EndScope::AppSession(share.id);
    let first = world.end(scope, EndCause::CodeReplayed).await;
    assert_eq!(first.app_sessions, 1);
    let again = world.end(scope, EndCause::RefreshTokenReused).await;
    assert_eq!((again.offboarding_id, again.app_sessions), (None, 0));
    let user = world
        .end(EndScope::User(company.user.id), EndCause::Operator)
        .await;
    assert_eq!(user.app_sessions, 0);
    assert_eq!(world.count_jobs_about("logout", company.user.id).await, 2);
    let reasons = world
        .database
        .texts("SELECT end_reason FROM app_sessions")
        .await;
    assert_eq!(reasons, ["code_replayed"]);
}

/// Takes a code in a transaction that stays open.
async fn take(world: &World, code: SecretHash, company: &Company) -> (WriteTx, AppSessionId) {
    let mut tx = world.write().await;
    let TakenCode::Live(code) = tx.take_code(code, company.application.id).await.unwrap() else {
        panic!("the code is live");
    };
    let expires_at = world.now().after(LEASE);
    tx.add_app_session(&code, false, expires_at).await.unwrap();
    (tx, code.app_session_id)
}

async fn end(store: Store, world: Arc<World>, scope: EndScope, cause: EndCause) {
    let mut tx = store.write(world.now()).await.unwrap();
    let ending = Ending {
        scope,
        cause,
        actor: "test",
    };
    tx.end(ending).await.unwrap();
    tx.commit().await.unwrap();
}

/// Lets an ending run into an exchange that is under way and looks at what is left.
async fn end_during_exchange(
    world: World,
    scope: impl Fn(&Company, vestibule_support::SignIn) -> EndScope,
) {
    let world = Arc::new(world);
    let company = world.company("acme").await;
    let sign_in = world.login(&company.user, &company.connection).await;
    let grant = world.authorize(sign_in, &company.application).await;
    let (exchanging, share) = take(&world, grant.code, &company).await;
    let ending = tokio::spawn(end(
        world.store.clone(),
        Arc::clone(&world),
        scope(&company, sign_in),
        EndCause::Logout,
    ));
    // Long enough for the ending to pass if nothing holds it back; the outcome may not depend on it.
    tokio::time::sleep(Duration::from_millis(150)).await;
    exchanging.commit().await.unwrap();
    ending.await.unwrap();

    assert!(!world.is_share_live(share).await);
    let notices = world.count_jobs_about("logout", company.user.id).await;
    assert!(
        notices >= 1,
        "the application has tokens and has to be told"
    );
}

async fn a_share_begun_during_a_logout_gets_its_notice(world: World) {
    end_during_exchange(world, |_, sign_in| EndScope::UserSession(sign_in.id)).await;
}

async fn a_share_begun_during_a_deactivation_is_over_and_gets_its_notice(world: World) {
    end_during_exchange(world, |company, _| EndScope::User(company.user.id)).await;
}

const SHARES: usize = 1200;

/// Shares of one sign-in, written in one transaction; the last codes are handed back unused.
async fn many_shares(
    world: &World,
    company: &Company,
    spare: usize,
) -> Vec<Live<vestibule_store::Code>> {
    let sign_in = world.login(&company.user, &company.connection).await;
    let expires_at = world.now().after(Duration::from_hours(1));
    let mut tx = world.write().await;
    let live = tx
        .hold_user_session(sign_in.id, sign_in.secret)
        .await
        .unwrap()
        .unwrap();
    let mut codes = Vec::new();
    for place in 0..SHARES + spare {
        let code = world.secret();
        let new = NewAppSession {
            code,
            application_id: company.application.id,
            application_epoch: company.application.epoch,
            scope: "openid",
            nonce: None,
            redirect_uri: "https://app.test/callback",
            code_challenge: "challenge",
            expires_at,
        };
        tx.add_code(&live, new).await.unwrap();
        let taken = tx.take_code(code, company.application.id).await.unwrap();
        let TakenCode::Live(code) = taken else {
            panic!("the code is live");
        };
        if place < SHARES {
            tx.add_app_session(&code, false, expires_at).await.unwrap();
        } else {
            codes.push(*code);
        }
    }
    tx.commit().await.unwrap();
    codes
}

/// Runs a fan-out job as the worker does and counts its steps.
async fn run_fan_out(world: &World, job: &Job) -> usize {
    let payload = &job.payload;
    let receipt: Option<OffboardingId> = job.cause_id.as_deref().map(|id| id.parse().unwrap());
    let cause = serde_json::from_value(payload["cause"].clone()).unwrap();
    for step in 1.. {
        let mut tx = world.write().await;
        let more = tx
            .fan_out(
                payload["subject"].as_str().unwrap(),
                &job.destination,
                payload["epoch"].as_i64().unwrap(),
                (cause, payload["actor"].as_str().unwrap()),
                receipt,
            )
            .await
            .unwrap();
        tx.commit().await.unwrap();
        if !more {
            return step;
        }
    }
    unreachable!("a fan-out comes to an end")
}

async fn a_fan_out_reaches_all_shares_in_chunks_and_late_ones_later(world: World) {
    let company = world.company("acme").await;
    let under_way = many_shares(&world, &company, 3).await;
    let ended = world
        .end(
            EndScope::Organization(company.organization.id),
            EndCause::OrganizationEnded,
        )
        .await;
    let receipt = ended.offboarding_id.unwrap();
    let unended = "SELECT COUNT(*) FROM app_sessions WHERE ended_at IS NULL";

    let first = claim(&world, Destination::FanOut, 10).await;
    assert_eq!(first.len(), 1, "the second pass is not due yet");
    assert_eq!(run_fan_out(&world, &first[0]).await, 3);
    assert_eq!(world.database.number(unended).await, 0);
    // All of them are young, so each is told twice.
    let told = world.count_jobs_about("logout", company.user.id).await;
    assert_eq!(told, 2 * i64::try_from(SHARES).unwrap());
    finish(&world, &first).await;

    // What was being issued while the organization ended is committed only now.
    let mut tx = world.write().await;
    for code in &under_way {
        let expires_at = world.now().after(LEASE);
        tx.add_app_session(code, false, expires_at).await.unwrap();
    }
    tx.commit().await.unwrap();
    for code in &under_way {
        assert!(!world.is_share_live(code.app_session_id).await);
    }
    assert!(claim(&world, Destination::FanOut, 10).await.is_empty());
    world.clock.advance(Duration::from_mins(1));
    let last = claim(&world, Destination::FanOut, 10).await;
    assert_eq!(last.len(), 1);
    assert_eq!(run_fan_out(&world, &last[0]).await, 1);
    assert_eq!(world.database.number(unended).await, 0);
    let receipt = world.read().await.find_offboarding(receipt).await;
    let receipt = receipt.unwrap().unwrap();
    assert_eq!(receipt.app_sessions, i64::try_from(SHARES + 3).unwrap());
    assert_eq!(
        (receipt.scope.as_str(), receipt.cause.as_str()),
        ("organization", "organization_ended")
    );
}

async fn an_application_ends_everywhere(world: World) {
    let first = world.company("acme").await;
    let mut second = world.company("bolt").await;
    second.application = first.application.clone();
    let shares = [
        world.sign_in_to_app(&first).await,
        world.sign_in_to_app(&second).await,
    ];
    world
        .end(
            EndScope::Application(first.application.id),
            EndCause::ApplicationEnded,
        )
        .await;
    let mut tx = world.write().await;
    let unknown = tx.fan_out("nothing", "x", 9, (EndCause::Operator, "system"), None);
    assert!(!unknown.await.unwrap());
    drop(tx);
    let jobs = claim(&world, Destination::FanOut, 10).await;
    assert_eq!(jobs.len(), 1);
    run_fan_out(&world, &jobs[0]).await;
    for (share, company) in shares.iter().zip([&first, &second]) {
        assert!(!world.is_share_live(share.id).await);
        assert_eq!(world.count_jobs_about("logout", company.user.id).await, 2);
    }
}

async fn receipts_close_when_every_application_was_told(world: World) {
    let company = world.company("acme").await;
    world.sign_in_to_app(&company).await;
    world.set_active(&company.user, false).await;
    let close = async || {
        let mut tx = world.write().await;
        let closable = tx.has_closable_offboardings().await.unwrap();
        let closed = tx.complete_offboardings(10).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(closable, !closed.is_empty());
        closed.len()
    };
    assert_eq!(close().await, 0, "its notices wait");
    world.clock.advance(Duration::from_mins(1));
    let jobs = claim(&world, Destination::Logout, 10).await;
    assert_eq!(jobs.len(), 2);
    finish(&world, &jobs[..1]).await;
    assert_eq!(close().await, 0, "one notice still waits");
    let mut tx = world.write().await;
    tx.set_job_failed(jobs[1].id, "gone", None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(close().await, 1, "a notice that was given up closes it too");
    assert_eq!(close().await, 0);

    let mut tx = world.read().await;
    let organization = company.organization.id;
    let receipts = tx.list_offboardings(organization, None, 10).await.unwrap();
    assert_eq!(receipts.len(), 1);
    let receipt = &receipts[0];
    assert_eq!(receipt.completed_at, Some(world.now()));
    assert_eq!(
        (receipt.user_sessions, receipt.app_sessions, receipt.user_id),
        (1, 1, Some(company.user.id))
    );
    assert_eq!(tx.list_jobs_of(receipt.id).await.unwrap().len(), 2);
    assert_eq!(receipt.dead, 1);
    let lines = tx.list_receipt_applications(receipt.id).await.unwrap();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line.application_id, company.application.id);
    assert_eq!(
        (
            line.app_sessions,
            line.notices,
            line.acknowledged,
            line.dead
        ),
        (1, 2, 1, 1)
    );
    assert_eq!(line.first_acknowledged_at, Some(world.now()));
    drop(tx);
    // Retention takes the notices after a month, the receipt stays for a year.
    world.clock.advance(Duration::from_hours(31 * 24));
    let mut tx = world.write().await;
    tx.remove_outdated().await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.read().await;
    assert!(tx.list_jobs_of(receipt.id).await.unwrap().is_empty());
    let kept = tx.list_receipt_applications(receipt.id).await.unwrap();
    assert_eq!(format!("{kept:?}"), format!("{lines:?}"));
    let before = Some(receipt.id);
    let older = tx.list_offboardings(organization, before, 10).await;
    assert!(older.unwrap().is_empty());
    drop(tx);
    let told = "SELECT COUNT(*) FROM events WHERE kind = 'offboarding.completed'";
    assert_eq!(world.database.number(told).await, 1);
}

async fn a_notice_with_another_life_opens_its_receipt_again(world: World) {
    let company = world.company("acme").await;
    world.sign_in_to_app(&company).await;
    world.clock.advance(Duration::from_mins(2));
    world.set_active(&company.user, false).await;
    let notice = claim(&world, Destination::Logout, 10).await.remove(0);
    let mut tx = world.write().await;
    tx.set_job_failed(notice.id, "gone", None).await.unwrap();
    assert_eq!(tx.complete_offboardings(10).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    let receipt = async || {
        let mut tx = world.read().await;
        let receipts = tx
            .list_offboardings(company.organization.id, None, 10)
            .await;
        let receipt = receipts.unwrap().remove(0);
        (receipt.completed_at, receipt.dead)
    };
    let given_up_at = world.now();
    assert_eq!(receipt().await, (Some(given_up_at), 1));
    world.clock.advance(Duration::from_hours(1));
    let mut tx = world.write().await;
    let destination = notice.destination.as_str();
    let revived = tx.retry_dead_letters((destination, None), None, 10).await;
    assert_eq!(revived.unwrap(), [notice.id]);
    assert!(tx.complete_offboardings(10).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    assert_eq!(receipt().await.0, None, "it waits for the notice");
    finish(&world, &[notice]).await;
    let mut tx = world.write().await;
    assert_eq!(tx.complete_offboardings(10).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    assert_eq!(receipt().await, (Some(world.now()), 0));
}

async fn the_last_token_of_all_chunks_counts(world: World) {
    let company = world.company("acme").await;
    let mut record = application_record("jwt");
    "jwt".clone_into(&mut record.access_token_format);
    let mut tx = world.write().await;
    let id = company.application.id;
    tx.set_application(id, &record).await.unwrap();
    tx.commit().await.unwrap();
    let earlier = world.sign_in_to_app(&company).await;
    world.clock.advance(Duration::from_mins(1));
    world.sign_in_to_app(&company).await;
    let last = world.now().after(Duration::from_mins(5));
    let scope = EndScope::Connection(company.connection.id);
    world.end(scope, EndCause::ConnectionEnded).await;
    let jobs = claim(&world, Destination::FanOut, 10).await;
    run_fan_out(&world, &jobs[0]).await;
    // As if it had been issued meanwhile, for the chunk that comes later.
    let sql = format!(
        "UPDATE app_sessions SET ended_at = NULL WHERE id = '{}'",
        earlier.id
    );
    world.database.execute(&sql).await;
    run_fan_out(&world, &jobs[0]).await;
    let receipt: OffboardingId = jobs[0].cause_id.as_deref().unwrap().parse().unwrap();
    let mut tx = world.read().await;
    let lines = tx.list_receipt_applications(receipt).await.unwrap();
    assert_eq!(
        (lines[0].app_sessions, lines[0].access_tokens_until),
        (3, Some(last))
    );
}
