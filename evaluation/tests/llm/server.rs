//! The loopback server on its own, spoken to by hand.

use gepa_evaluation::testing::{FaultPlan, ModelReply, ModelServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn talk(server: &ModelServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn it_keeps_connections_alive_and_reads_lengths_and_chunks() {
    let server =
        ModelServer::answering(|call| ModelReply::text(call.last_message().to_uppercase()))
            .faults(FaultPlan::none())
            .keeping(2)
            .start()
            .await
            .unwrap();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"one"}]}"#;
    let other_body = body.replace("one", "two");
    let (first, second) = other_body.split_at(20);
    let requests = format!(
        "POST /v1/chat/completions?cid=7 HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}\
         POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x};note\r\n{second}\r\n0\r\nTrailer: x\r\n\r\n\
         GET /v1/models HTTP/1.1\r\n\r\n\
         GET /elsewhere HTTP/1.1\r\nConnection: close\r\n\r\n",
        body.len(),
        first.len(),
        second.len(),
    );
    let reply = talk(&server, &requests).await;
    for expected in ["\"ONE\"", "\"TWO\"", "\"object\":\"list\"", "HTTP/1.1 404"] {
        assert!(reply.contains(expected), "{expected} in {reply}");
    }
    let ledger = server.ledger();
    assert_eq!(
        (
            ledger.calls_received,
            ledger.calls_answered,
            ledger.in_flight
        ),
        (2, 2, 0)
    );
    assert_eq!(ledger.recent[0].path, "/v1/chat/completions?cid=7");
    assert_eq!((ledger.prompt_tokens, ledger.completion_tokens), (2, 2));
}

#[tokio::test]
async fn malformed_requests_close_the_connection_and_are_not_booked() {
    let server = ModelServer::echoing().start().await.unwrap();
    for request in [
        "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        assert_eq!(talk(&server, request).await, "", "{request}");
    }
    assert_eq!(server.ledger().calls_received, 0);
}
