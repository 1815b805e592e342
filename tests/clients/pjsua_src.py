"""A recording client (SRC) made of PJSIP: one SIPREC call with two lines over TLS with SRTP, each playing a file.

usage: pjsua_src.py PORT SUITE LEFT.wav RIGHT.wav METADATA.xml SECONDS MEDIA_PORT CERTIFICATE
Prints the final status and, for each line, the packets sent.
"""
import sys
import threading
import pjsua2 as pj

PORT, SUITE, LEFT, RIGHT, METADATA, SECONDS, MEDIA_PORT, CERTIFICATE = sys.argv[1:9]
LABELS = ["96", "97"]


class Call(pj.Call):
    def __init__(self, account):
        super().__init__(account)
        self.is_over = False
        self.players = []
        self.status = 0

    def onCallSdpCreated(self, prm):
        # RFC 7866 7.1.1: every line is labelled, and a recording client only sends.
        head, *media = prm.sdp.wholeSdp.split("m=audio")
        lines = []
        for label, one in zip(LABELS, media):
            one = one.replace("a=sendrecv\r\n", "")
            lines.append("m=audio" + one.rstrip("\r\n") + "\r\na=sendonly\r\na=label:" + label + "\r\n")
        prm.sdp.wholeSdp = head + "".join(lines)

    def onCallState(self, prm):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.status = info.lastStatusCode
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.status = self.status or info.lastStatusCode
            self.is_over = True

    def onCallMediaState(self, prm):
        if self.players:
            return
        for index, path in enumerate([LEFT, RIGHT]):
            player = pj.AudioMediaPlayer()
            player.createPlayer(path, pj.PJMEDIA_FILE_NO_LOOP)
            player.startTransmit(self.getAudioMedia(index))
            self.players.append(player)


def part(path):
    metadata = pj.SipMultipartPart()
    metadata.contentType.type = "application"
    metadata.contentType.subType = "rs-metadata+xml"
    disposition = pj.SipHeader()
    disposition.hName, disposition.hValue = "Content-Disposition", "recording-session"
    headers = pj.SipHeaderVector()
    headers.append(disposition)
    metadata.headers = headers
    metadata.body = open(path, encoding="utf-8").read()
    return metadata


def header(name, value):
    one = pj.SipHeader()
    one.hName, one.hValue = name, value
    return one


def main():
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 4
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.userAgent = "pjsua2-src"
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.noVad = True
    config.medConfig.ptime = 20
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.boundAddress = transport.publicAddress = "127.0.0.1"
    transport.tlsConfig.CaListFile = CERTIFICATE
    transport.tlsConfig.verifyServer = True
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_TLS, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)

    account_config = pj.AccountConfig()
    account_config.idUri = "sip:src@127.0.0.1"
    account_config.sipConfig.contactParams = ";+sip.src"
    account_config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
    account_config.mediaConfig.srtpSecureSignaling = 1
    account_config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    account_config.mediaConfig.transportConfig.port = int(MEDIA_PORT)
    keying = pj.IntVector()
    keying.append(pj.PJMEDIA_SRTP_KEYING_SDES)
    account_config.mediaConfig.srtpOpt.keyings = keying
    crypto = pj.SrtpCrypto()
    crypto.name = SUITE
    cryptos = pj.SrtpCryptoVector()
    cryptos.append(crypto)
    account_config.mediaConfig.srtpOpt.cryptos = cryptos
    account = pj.Account()
    account.create(account_config)

    call = Call(account)
    options = pj.CallOpParam(True)
    options.opt.audioCount, options.opt.videoCount, options.opt.textCount = 2, 0, 0
    headers = pj.SipHeaderVector()
    headers.append(header("Require", "siprec"))
    options.txOption.headers = headers
    options.txOption.multipartContentType.type = "multipart"
    options.txOption.multipartContentType.subType = "mixed"
    parts = pj.SipMultipartPartVector()
    parts.append(part(METADATA))
    options.txOption.multipartParts = parts
    call.makeCall(f"sip:srs@127.0.0.1:{PORT};transport=tls", options)

    over = threading.Timer(float(SECONDS), lambda: None)
    over.start()
    while over.is_alive() and not call.is_over:
        endpoint.libHandleEvents(20)
    if not call.is_over:
        for index in range(2):
            print("sent", index, call.getStreamStat(index).rtcp.txStat.pkt, flush=True)
        call.hangup(pj.CallOpParam())
    guard = threading.Timer(5, lambda: None)
    guard.start()
    while guard.is_alive() and not call.is_over:
        endpoint.libHandleEvents(20)
    print("status", call.status, flush=True)
    call.players.clear()
    del call, account
    endpoint.libDestroy()


main()
