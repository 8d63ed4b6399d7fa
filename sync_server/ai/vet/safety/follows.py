"""Whether a message goes on with what was said before, or asks something of its own.

A sign of an earlier turn is the matter of this one where the message refers back ("아직도 그래요",
"what should I do now") or says too little to be about anything else. Otherwise it is remembered in
one sentence, and the message is answered.
"""

from __future__ import annotations

import re
from typing import Final

from sync_server.ai.vet.safety.text import pattern, plain, sentence

_FEW_KO: Final = 4
_FEW_EN: Final = 12
"""So few letters are about nothing else: 빨리요, 왜요, help."""
_SMALL_TALK: Final = pattern(
    r"^(?:안녕|고마|고맙|감사|땡큐|알겠|네알겠|도움이?됐|hello|hi|hey|thank|thx|gotit|ok)"
)
_BACK_KO: Final = pattern(
    r"(?:이제|지금|당장|그럼|그러면|이럴땐|이럴때)(?:은|는)?(?:어떻|어떡|어쩌|뭘|뭐|무엇|바로|"
    r"병원|가야|가도|가면)|^(?:어떻게|어떡|어쩌|어쩜|뭘해|뭐해|뭐부터|뭘먼저|무엇부터)|"
    r"(?:저|나)(?:는|도)?(?:어떡|어쩌)|아직(?:도|까지)?(?:그|안멈|안나|똑|이래|계속|못|심)|"
    r"여전히|그대로(?:예|에|이|야|인)|똑같(?:아|이|은)|마찬가지|(?:계속|자꾸|또|다시)(?:그래|그러|"
    r"그렇|이래|이러|저래|저러|해요$|시작|반복|똑|심|안멈|하네|하고있)|"
    r"(?:더|점점|훨씬)(?:심|나빠|안좋|자주|세|힘들|악화|커|빨라)|심해(?:졌|지|져)|나빠(?:졌|지|져)|"
    r"악화|(?:안|못)(?:멈|멎|그쳐|그치|가라앉)|멈추(?:지|질)|"
    r"나아지(?:지|질)|차도가|호전|^(?:이거|그거|이게|우리애|애가|애는|정말|진짜)?괜찮(?:을까|"
    r"은가|은거|"
    r"은건|겠|나요|아질|아지)|(?:많이|얼마나|지금|정말)(?:위험|급)|^(?:이거|그거|이게)?위험|"
    r"심각(?:한|해)|응급(?:인가|이에|인지|실|상황)|죽(?:나요|을까|는거|는건|어요|어가)|"
    r"병원(?:에|을|은|이)?(?:가야|가도|가면|안가|못가|갈|멀|문|닫|없|꼭|어디|데려|전화)|"
    r"(?:내일|아침|월요일|주말|낮)(?:까지|에)?(?:기다|가도|가면|병원|버티)|기다려(?:도|봐|볼)|"
    r"지켜(?:봐도|볼)|"
    r"(?:그|이)(?:거|것|게|건|런데|렇게|러는|러면|증상|상태)(?:이|가|은|는|도)?(?:왜|얼마|"
    r"위험|심각|계속|"
    r"언제|멈|나아|괜찮|어떻)|얼마나(?:걸|더기|위험|기다)|시간(?:이|은)?(?:얼마|있|없)|"
    r"도와(?:줘|주|줄)|"
    r"살려|급해|너무무서|어쩌죠|어쩌면|어떡해|어떡하"
)
_BACK_EN: Final = re.compile(
    r"\b(?:what (?:do|should|can|must|shall) i do|what (?:now|next|else)|now what|still|worse|"
    r"worsening|wont stop|not stopping|hasnt stopped|didnt stop|keeps? (?:doing|happening|going)|"
    r"same (?:as|thing)|no better|not (?:getting )?better|isnt (?:getting )?better|"
    r"(?:happen\w*|did|"
    r"does|doing|starting|started) (?:it )?again|happen\w* again|can (?:it|i|this|we) wait|"
    r"should (?:i|we) (?:wait|go|call|worry|rush)|do (?:i|we) (?:need|have) to|wait "
    r"(?:until|till|for)|until (?:morning|tomorrow|monday)|is (?:it|this|he|she|that) (?:serious|"
    r"dangerous|an emergency|bad|dying|going to)|will (?:he|she|it) (?:die|be|survive|live)|"
    r"how long (?:do|can|until|have|will)|how serious|emergency|the (?:vet|clinic) is|"
    r"(?:no|nearest) (?:vet|clinic)|help (?:me|us|him|her|please)|please help|i am scared|"
    r"im scared|"
    r"going on|continues)\b"
)


def refers_back(message: str) -> bool:
    """Whether the message is about what was said before it."""
    part = sentence(" ".join(plain(message).split()))
    if _SMALL_TALK.match(part.solid) and len(part.solid) <= 2 * _FEW_EN:
        return False
    few = _FEW_EN if part.solid.isascii() else _FEW_KO
    if len(part.solid) <= few:
        return True
    return _BACK_KO.search(part.solid) is not None or _BACK_EN.search(part.words) is not None
