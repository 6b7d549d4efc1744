//! The loopback server on its own, spoken to by hand.

use gepa_testing::{FaultPlan, ModelReply, ModelServer};
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

async fn posted(server: &ModelServer, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    talk(server, &request).await
}

#[tokio::test]
async fn a_controlled_server_changes_its_ways_and_shows_its_books() {
    let server = ModelServer::echoing().controlled().start().await.unwrap();
    let call = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let ask = |headers| posted(&server, "/v1/chat/completions", headers, call);
    assert!(ask("").await.contains("200 Status"));
    let wanted = r#"{"fault":{"status":429,"retry_after":2},"every":2,"models":["m"]}"#;
    let set = posted(&server, "/control", "", wanted).await;
    assert!(set.contains("\"from_call\":1"), "{set}");
    assert!(ask("").await.contains("200 Status"));
    let limited = ask("").await;
    assert!(limited.contains("429 Status") && limited.contains("retry-after: 2"));
    posted(&server, "/control", "", r#"{"required_key":"k"}"#).await;
    assert!(
        ask("Authorization: Bearer j\r\n")
            .await
            .contains("401 Status")
    );
    assert!(
        ask("Authorization: Bearer k\r\n")
            .await
            .contains("200 Status")
    );
    posted(
        &server,
        "/control",
        "",
        r#"{"fault":{"name":"missing_usage"}}"#,
    )
    .await;
    assert!(!ask("").await.contains("prompt_tokens"));
    let refused = posted(&server, "/control", "", r#"{"faults":1}"#).await;
    assert!(refused.contains("400 Status"), "{refused}");

    let books = talk(
        &server,
        "GET /ledger?calls=1 HTTP/1.1\r\nConnection: close\r\n\r\n",
    )
    .await;
    let (_, books) = books.split_once("\r\n\r\n").unwrap();
    let books: serde_json::Value = serde_json::from_str(books).unwrap();
    assert_eq!(
        [
            &books["calls"],
            &books["calls_answered"],
            &books["calls_without_usage"]
        ],
        [6, 4, 1]
    );
    assert_eq!(
        books["by_status"],
        serde_json::json!({"200": 4, "401": 1, "429": 1})
    );
    assert_eq!(books["by_model"]["m"]["tokens"], books["total_tokens"]);
    assert_eq!(books["last_calls"].as_array().unwrap().len(), 1);
    assert!(!books.to_string().contains("Bearer"), "{books}");
}
