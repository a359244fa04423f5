"""SECURITY.md, sentence by sentence: what proves each, and that it is still there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OF_OTHERS = ()
"""For a sentence on what others do, which no test of ours can prove."""
PROOFS = {
    # What is defended
    "Webhooks carry Twilio's signature": (
        "edges/web/test_webhooks.py: test_a_forged_webhook_is_refused_and_does_nothing",
        "edges/web/test_webhooks.py: test_what_is_signed_must_be_of_a_call_of_our_account",
        "edges/web/test_webhooks.py: test_a_webhook_without_a_signatures_form_is_refused_by_its_head",
        "edges/twilio/test_signatures.py: test_it_agrees_with_twilios_own_library",
    ),
    "A media stream is admitted by a path": (
        "call/test_registry.py: test_a_promised_path_works_once",
        "call/test_registry.py: test_a_promise_expires",
        "edges/web/test_stream_handshake.py: test_nobody_gets_in_without_a_signature_and_an_expected_call",
    ),
    "`POST /call` and what is said about calls": (
        "edges/web/operator/test_operators_routes.py: test_the_operators_routes_need_the_token",
        "edges/web/operator/test_operators_routes.py: test_the_operators_token_comes_as_a_bearers",
        "edges/web/operator/test_tokens.py: test_a_token_comes_behind_its_scheme",
        "edges/web/test_entrypoints.py: test_an_operators_address_of_its_own_takes_their_routes_off_twilios",
    ),
    "Some twenty wrong tokens a second": (
        "edges/web/operator/test_tokens.py: test_some_twenty_wrong_tokens_a_second_are_judged_over_all_connections",
        "edges/web/operator/test_tokens.py: test_the_right_one_is_let_in_in_the_midst_of_a_flood",
    ),
    "answers to its own names alone": (
        "edges/web/test_entrypoints.py: test_on_the_operators_address_every_path_wants_one_host_that_is_its_own",
        "edges/web/test_sign_in.py: test_a_page_of_another_address_changes_nothing_with_somebodys_cookie",
    ),
    "HTTP/2 (by prior knowledge": (
        "edges/web/test_request_head.py: test_what_would_be_more_than_one_request_is_refused",
        "edges/web/test_strangers.py: test_http_2_is_refused_at_once_and_counted",
        "edges/web/test_strangers.py: test_a_body_whose_end_is_told_twice_is_refused",
    ),
    "A connection whose request has not arrived whole": (
        (
            "edges/web/test_crowded_server.py: "
            "test_a_newcomer_takes_the_place_of_whoever_has_waited_longest_without_a_whole_request"
        ),
        "edges/web/test_crowded_server.py: test_twilio_gets_in_however_many_strangers_hold_connections_open",
        "edges/web/test_server.py: test_an_answer_that_is_read_slowly_comes_whole",
        "edges/web/test_server.py: test_a_client_that_does_not_read_its_answer_is_given_up",
    ),
    "Bytes of strangers are read with a bound": (
        "fuzz/test_fuzz.py: test_the_time_is_linear",
        "fuzz/test_fuzz.py: test_what_is_kept_is_bounded",
        "edges/web/test_strangers.py: test_a_head_may_have_so_many_bytes_and_no_more",
        "edges/web/test_app.py: test_a_body_that_is_too_large_is_refused",
        "edges/test_bounded_answer.py: test_an_answer_without_end_is_left_at_the_bound",
        "net/test_websocket.py: test_frames_without_a_message_are_counted_as_messages_are",
        "call/test_tools.py: test_a_huge_result_is_refused_before_it_is_written",
    ),
    "What is too much is refused": (
        "call/test_call_faults.py: test_a_flood_of_the_caller_ends_the_call",
        "test_neighbours.py: test_a_flood_that_has_arrived_is_read_in_helpings_between_which_everybody_else_is_heard",
    ),
    "Records of ended calls": ("call/test_remembered.py: test_long_ones_displace_more_than_one",),
    "What is wrong with one leg's TLS": (
        (
            "net/test_tls_errors.py: "
            "test_an_error_of_the_models_tls_is_the_models_though_the_caller_speaks_in_the_same_round"
        ),
    ),
    "A call's end reaches its peers": (
        "net/test_tcp.py: test_an_abort_reaches_the_peer_though_a_child_has_a_copy_of_the_socket",
        "net/test_tcp.py: test_a_forked_child_keeps_no_socket_of_ours_and_its_parent_keeps_them_all",
    ),
    "cannot stop the daemon": (
        "daemon/test_log_reader.py: test_a_daemon_whose_log_is_not_read_answers_and_ends",
        "daemon/test_logs.py: test_what_tools_print_waits_for_no_reader",
        "daemon/test_log_stream.py: test_lines_that_a_full_disk_does_not_take_are_counted_and_the_next_begins_a_line",
    ),
    "Refusals are counted": (
        "edges/web/test_webhooks.py: test_refusals_are_logged_once_in_ten_seconds_and_all_counted",
        "edges/web/test_server.py: test_connections_that_are_broken_off_are_logged_once_in_ten_seconds",
        "daemon/test_logs.py: test_what_a_server_says_of_strangers_bytes_is_said_once_in_a_while_with_how_often",
    ),
    "What strangers wrote is cut": (
        "daemon/test_logs.py: test_what_a_stranger_wrote_is_cut_and_our_advice_is_not",
        "daemon/test_logs.py: test_control_characters_of_strangers_are_written_out",
        "cli/test_printing.py: test_every_command_prints_so",
    ),
    "are not in the log": (
        "call/test_tools.py: test_what_a_tool_raises_reaches_the_log_as_type_and_place",
        "call/test_call_tools.py: test_a_name_that_the_model_invented_is_in_no_log_and_no_record",
        "legs/test_pumps.py: test_what_the_peer_says_as_it_closes_is_in_no_log_and_no_reason",
    ),
    '`[log] level = "debug"` shows them': (
        "call/test_tools.py: test_what_a_tool_raises_reaches_the_log_as_type_and_place",
        "legs/test_pumps.py: test_what_the_peer_says_as_it_closes_is_in_no_log_and_no_reason",
    ),
    "Each host name has look-ups of its own": (
        "net/test_lookups.py: test_a_name_that_is_answered_waits_for_no_look_up_of_one_that_is_not",
    ),
    "What is raised in the work for a call": (
        "daemon/test_nurseries.py: test_each_child_may_fail_and_the_neighbours_call_goes_on",
        "daemon/test_supervisor_nurseries.py: test_each_child_of_a_supervisor_may_fail_and_no_worker_ends",
        "daemon/test_nursery_list.py: test_every_nursery_is_listed_by_whom_it_serves",
    ),
    "A configuration and its modules of tools": (
        "daemon/test_reloading.py: test_whatever_is_reloaded_the_live_call_goes_on_and_the_old_one_is_kept",
        "daemon/test_loading.py: test_a_process_of_its_own_finds_the_same_and_is_gone",
    ),
    "What is the whole process's": (
        ("daemon/test_loading.py: test_a_module_that_changes_what_is_the_whole_daemons_is_refused_and_it_is_put_back"),
    ),
    "No answer of a provider and no row": (
        "fuzz/test_fuzz.py: test_nothing_raises",
        "edges/twilio/test_rest.py: test_whatever_comes_of_a_request_it_is_repeated_and_nothing_leaves_the_hang_up",
        "journal/test_unread.py: test_an_odd_row_keeps_nobodys_telephone_up_and_is_named",
        "edges/workers/test_handover.py: test_no_descriptor_for_what_is_handed_over_ends_nobody",
        "journal/test_trouble.py: test_a_full_disk",
        "daemon/test_reloading.py: test_signals_change_nothing_until_all_is_put_in_order",
        "daemon/test_reloading.py: test_sighup_before_anything_is_ready_ends_nothing",
        "daemon/test_signals.py: test_signals_that_mean_nothing_end_nothing",
    ),
    "`allowed_prefixes`, the do-not-call list": (
        "edges/twilio/test_dialer.py: test_a_number_that_may_not_be_called",
        "edges/twilio/test_dialer.py: test_a_list_that_cannot_be_read_is_no_permission",
        "journal/test_identity.py: test_a_journal_that_is_lost_while_it_is_used_leaves_nobody_to_be_called",
        "call/test_budget.py: test_what_is_spent_is_spent_until_midnight_and_the_alarm_sounds_once",
        "call/test_budget.py: test_a_call_is_promised_what_it_may_come_to_within_its_time_limit",
    ),
    "Keys come from the environment": (
        "config/test_settings.py: test_systemds_credentials_come_before_the_environment",
        "config/test_settings.py: test_secrets_are_never_shown",
        "journal/test_trouble.py: test_no_password_is_logged",
        "net/test_proxies.py: test_a_proxys_password_is_sent_to_it_and_never_shown",
    ),
    "`check` warns of a password": (
        "config/test_warnings.py: test_a_password_of_the_journals_belongs_into_a_credential",
        "config/test_warnings.py: test_what_may_cost_or_tell_more_than_is_meant_is_a_warning",
    ),
    # What is not
    "A caller's number can be forged": OF_OTHERS,
    "A persona's tool modules are the operator's own": OF_OTHERS,
    "One that fails, hangs or does not let itself be cancelled": (
        "call/test_tools.py: test_a_tool_that_raises_gives_the_model_something_to_say",
        "call/test_tools.py: test_a_tool_that_hangs_is_answered_for_and_left_behind",
        "call/test_call_tools.py: test_a_call_that_ends_while_a_tool_runs_does_not_wait_for_it",
        "edges/test_systemd.py: test_the_watchdog_is_fed_twice_in_its_period",
        "test_workers.py: test_a_worker_that_is_stopped_loses_no_new_call_and_is_replaced",
    ),
    "What a module changes of the interpreter": (
        "call/test_interpreter_kept.py: test_what_harms_every_call_is_refused_and_put_back",
        "call/test_interpreter_kept.py: test_an_audit_hook_which_nothing_removes_is_refused_where_it_is_tried",
    ),
    "Callbacks of the garbage collector": (
        "call/test_interpreter_kept.py: test_what_libraries_set_by_habit_is_put_back",
        "call/test_interpreter_kept.py: test_a_share_of_the_processors_that_nobody_gets_back_is_lost_where_it_is_tried",
    ),
    "What it changes later": OF_OTHERS,
    "Audio and words go to the models": OF_OTHERS,
    "ask for no token": (
        "edges/web/test_app.py: test_health_needs_no_key",
        "test_balancers.py: test_one_machine",
    ),
    "Whoever reads the journal": ("journal/test_trouble.py: test_the_file_is_for_its_owner_s_eyes",),
    "TLS to the outside ends": OF_OTHERS,
}


def sentences():
    """Each sentence of what is defended and what is not, without the words that its row begins with."""
    for row in re.findall(r"^- \*\*(.*)", (ROOT / "SECURITY.md").read_text(), re.MULTILINE):
        yield from re.split(r"(?<=\.)\s+(?=[A-Z`])", row.partition("**")[2].strip())


def test_every_sentence_has_its_proof():
    told = [*sentences()]
    assert [each for each in told if not any(each.startswith(beginning) for beginning in PROOFS)] == []
    assert [each for each in PROOFS if not any(sentence.startswith(each) for sentence in told)] == []


@pytest.mark.parametrize("proof", sorted({proof for proofs in PROOFS.values() for proof in proofs}))
def test_the_proof_is_there(proof):
    file, _, test = proof.partition(": ")
    assert re.search(rf"^(async )?def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)
