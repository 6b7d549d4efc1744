//! Forwards answers while they arrive.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::open_call::OpenCall;
use super::record::CallOutcome;
use gepa_evaluation::Purpose;
use gepa_models::StreamedReply;

/// Chunks read ahead of the app.
const READ_AHEAD: usize = 16;

/// A body fed by a task.
struct ChannelBody(mpsc::Receiver<Result<Bytes, io::Error>>);

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = self.0.poll_recv(context);
        next.map(|item| item.map(|chunk| chunk.map(Frame::data)))
    }
}

/// Forwards a call that requests a stream. It may end later than other calls, because the app sees
/// that the answer is arriving.
pub(super) async fn stream(mut call: OpenCall, body: &Value) -> Answer {
    let policy = Arc::clone(&call.lease.terms.policy);
    let spending = Arc::clone(&call.spending);
    let sent = Instant::now();
    let begun = policy.forward_streamed(body, Purpose::Rollout, spending);
    let result = timeout_at(call.answer_by, begun).await;
    call.provider_took(sent.elapsed());
    let reply = match result {
        Ok(Ok(reply)) => reply,
        Ok(Err(failure)) => return call.failed(&failure),
        Err(_) => return call.timed_out(),
    };
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::spawn(pass_on(call, reply, sender));
    let mut answer = Response::new(ChannelBody(receiver).boxed_unsync());
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// Forwards the reply until it ends, the app hangs up, or the rollout ends.
async fn pass_on(
    mut call: OpenCall,
    mut reply: StreamedReply,
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
) {
    let lease = Arc::clone(&call.lease);
    loop {
        let asked = Instant::now();
        let next = tokio::select! {
            next = reply.next() => next,
            () = lease.ended() => return,
            () = sender.closed() => return,
        };
        call.provider_took(asked.elapsed());
        let lines = match next {
            Ok(Some(lines)) => Ok(Bytes::from(lines)),
            Ok(None) => {
                finish_answered(&mut call, &reply);
                return;
            }
            Err(error) => {
                call.finish(CallOutcome::Failed {
                    kind: error.kind,
                    status: None,
                    message: error.message.clone(),
                });
                let _ = sender.send(Err(io::Error::other(error.message))).await;
                return;
            }
        };
        // An app that has read the last line finds its call in the record.
        if reply.is_complete() {
            finish_answered(&mut call, &reply);
        }
        if sender.send(lines).await.is_err() {
            return;
        }
    }
}

fn finish_answered(call: &mut OpenCall, reply: &StreamedReply) {
    let end = reply.end();
    call.finish(CallOutcome::Answered {
        text: end.text,
        tool_calls: end.tool_calls,
        finish_reason: end.finish_reason,
    });
}
